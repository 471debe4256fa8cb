"""The Debian package: what it holds, and that it runs where it is unpacked."""

import subprocess
import sys
from pathlib import Path

import pytest

from exporter import __version__
from tests.conftest import require

ROOT = Path(__file__).parents[2]
NAME = "macie-invitations-exporter"


def _run(*words: str | Path) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, for the Python that runs the tests."""
    require("dpkg-deb")
    folder = tmp_path_factory.mktemp("debian")
    build = ROOT / "deploy" / "debian" / "build"
    return Path(_run(build, __version__, folder, sys.executable).splitlines()[-1])


def test_it_says_which_python_it_needs(package: Path) -> None:
    """Its environment is made for one minor version, and for one architecture."""
    minor = sys.version_info[1]
    depends = _run("dpkg-deb", "--field", package, "Depends")
    assert depends.startswith(f"python3 (>= 3.{minor}), python3 (<< 3.{minor + 1})")
    assert package.name.startswith(f"{NAME}_{__version__}~py3{minor}_")


def test_it_runs_where_it_is_unpacked(package: Path, tmp_path: Path) -> None:
    """With its unit, its settings and its command, and nothing of the machine it was made on."""
    _run("dpkg-deb", "--extract", package, tmp_path)
    home = tmp_path / "opt" / NAME
    answer = _run(home / "bin" / "python", "-m", "exporter", "--version")
    assert answer.split()[1] == __version__
    assert (tmp_path / "usr/bin" / NAME).readlink() == Path("/opt", NAME, "bin", NAME)
    assert (home / "bin" / NAME).read_text().splitlines()[-1] == (
        f'exec /opt/{NAME}/bin/python -m exporter "$@"'
    )
    unit = (tmp_path / "usr/lib/systemd/system" / f"{NAME}.service").read_text()
    assert f"ExecStart=/opt/{NAME}/bin/{NAME}" in unit
    made = [path for path in home.rglob("*") if path.is_file() and not path.is_symlink()]
    texts = [path for path in made if path.suffix in {"", ".cfg"} and path.stat().st_size < 10_000]
    assert [path for path in texts if str(ROOT) in path.read_text(errors="replace")] == []
