"""What Linux machines get: the Debian package, which runs where it is unpacked, and the unit."""

import re
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE, STDOUT

from exporter import __version__
from tests.conftest import require
from tests.docs.documents import ROOT

NAME = "macie-invitations-exporter"
UNIT = ROOT / "deploy" / f"{NAME}.service"


def run(*words: str | Path) -> str:
    """Run a program; return all that it says, fail with it."""
    done = subprocess.run(words, stdout=PIPE, stderr=STDOUT, text=True, check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_the_package_runs_where_it_is_unpacked(tmp_path: Path) -> None:
    """With its unit, its settings and its command, and nothing of the machine it was made on.

    It says which Python it needs: its environment is made for one minor version.
    """
    dpkg, minor = require("dpkg-deb"), sys.version_info[1]
    build = ROOT / "deploy" / "debian" / "build"
    package = Path(run(build, __version__, tmp_path / "made", sys.executable).splitlines()[-1])
    assert package.name.startswith(f"{NAME}_{__version__}~py3{minor}_")
    depends = run(dpkg, "--field", package, "Depends")
    assert depends.startswith(f"python3 (>= 3.{minor}), python3 (<< 3.{minor + 1})")

    run(dpkg, "--extract", package, tmp_path)
    home = tmp_path / "opt" / NAME
    assert run(home / "bin" / "python", "-m", "exporter", "--version").split()[1] == __version__
    assert (tmp_path / "usr/bin" / NAME).readlink() == Path("/opt", NAME, "bin", NAME)
    last = (home / "bin" / NAME).read_text().splitlines()[-1]
    assert last == f'exec /opt/{NAME}/bin/python -m exporter "$@"'
    unit = (tmp_path / "usr/lib/systemd/system" / UNIT.name).read_text()
    assert f"ExecStart=/opt/{NAME}/bin/{NAME}" in unit
    made = [path for path in home.rglob("*") if path.is_file() and not path.is_symlink()]
    texts = [path for path in made if path.suffix in {"", ".cfg"} and path.stat().st_size < 10_000]
    assert [path for path in texts if str(ROOT) in path.read_text(errors="replace")] == []


def test_the_unit_is_right_and_hardened(tmp_path: Path) -> None:
    """Every key is known and every value understood, without a word of complaint.

    The exposure is what the unit and its page say that it is, and at most 1.5 of 10.
    """
    systemd, unit = require("systemd-analyze"), tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace(f"/opt/{NAME}/bin/", f"{tmp_path}/"))
    (tmp_path / NAME).symlink_to(sys.executable)
    assert run(systemd, "verify", "--man=no", unit) == ""
    said = run(systemd, "security", "--offline=true", "--no-pager", "--threshold=15", UNIT)
    found = re.search(r"Overall exposure level for \S+ (\d\.\d)", said)
    assert found, said
    assert f"gives it {found[1]} (0 is best" in UNIT.read_text()
    page = (ROOT / "docs" / "deploy" / "systemd.md").read_text()
    assert f"says {found[1]} of 10" in page
