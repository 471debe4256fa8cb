"""What is installed is the lock, whatever the index offers beside it and whichever pip installs.

The index is a folder: of every package that the locks hold a wheel without code, with the real
one's dependencies, in the locked version and in a newer one. The locks are the project's own, with
these wheels' hashes.
"""

import hashlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.version import Version

from tests.conftest import unavailable

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
RECIPE = ("bootstrap", "install.py")
LOCKS = ("runtime.txt", "dev.txt", "tools.txt")


def locked(*locks: str) -> set[tuple[str, str]]:
    """Return what locks of the project hold for this machine, as names and versions."""
    text = "".join((ROOT / "requirements" / lock).read_text() for lock in locks)
    found = re.findall(r"(?m)^(\S+)==(\S+)(?: ; (.*?))? \\$", text)
    return {
        (name, version)
        for name, version, marker in found
        if not marker or Marker(marker).evaluate()
    }


def wheel(folder: Path, name: str, version: str) -> Path:
    """Make a wheel without code, whose dependencies are those of the package installed here."""
    stem = f"{name.replace('-', '_')}-{version}"
    requires = "".join(f"Requires-Dist: {each}\n" for each in metadata.requires(name) or ())
    extras = metadata.metadata(name).get_all("Provides-Extra") or ()
    provides = "".join(f"Provides-Extra: {each}\n" for each in extras)
    files = {
        "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        + provides
        + requires,
        "WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "RECORD": "",
    }
    made = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(made, "w") as archive:
        for file, text in files.items():
            archive.writestr(f"{stem}.dist-info/{file}", text)
    return made


def newer(version: str) -> str:
    """Return the next version: whatever asks for this one or newer takes it."""
    *release, last = Version(version).release
    return ".".join(map(str, [*release, last + 1]))


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """A folder with every locked package, by name, and a newer version of each."""
    folder = tmp_path_factory.mktemp("index")
    for name, version in locked(*LOCKS):
        wheel(folder, name, newer(version))
    return {name: wheel(folder, name, version) for name, version in locked(*LOCKS)}


@pytest.fixture
def checkout(tmp_path: Path, index: Mapping[str, Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project's set-up and locks, where pip knows that index alone."""
    for name in [each for each in os.environ if each.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index["botocore"].parent))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    requirements = tmp_path / "requirements"
    requirements.mkdir()
    for script in RECIPE:
        shutil.copy(ROOT / "requirements" / script, requirements)
    hashes = {name: hashlib.sha256(made.read_bytes()).hexdigest() for name, made in index.items()}
    for lock in LOCKS:
        lines = [
            f"{name}=={version} \\\n    --hash=sha256:{hashes[name]}\n"
            for name, version in locked(lock)
        ]
        (requirements / lock).write_text("".join(lines))
    return tmp_path


def pip_wheel(lock: str, folder: Path) -> Path:
    """Fetch a pip by its hash."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
    rules = ["--no-deps", "--require-hashes", "--only-binary=:all:", f"--dest={folder}"]
    done = subprocess.run([*pip, *rules, f"--requirement={HERE / lock}"], check=False)
    if done.returncode:
        unavailable("no pip could be fetched: there is no package index")
    (found,) = folder.glob("pip-*.whl")
    return found


@pytest.fixture(scope="module", params=["pip-newest.txt"])
def python(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that brings this pip into the environments that it makes.

    They share it, and so what it compiles of itself, which costs more than what it is to do.
    """
    folder = tmp_path_factory.mktemp("pip")
    with zipfile.ZipFile(pip_wheel(request.param, folder)) as archive:
        archive.extractall(folder / "packages")
    made = folder / "python"
    real, packages = shlex.quote(sys.executable), shlex.quote(str(folder / "packages"))
    made.write_text(
        "#!/bin/bash\n"
        f'[[ "$1 $2" == "-m venv" ]] || exec {real} "$@"\n'
        f'{real} -m venv --without-pip "${{@:3}}"\n'
        f'ln -s {packages}/* "${{!#}}"/lib/python3*/site-packages\n'
    )
    made.chmod(0o755)
    return made


def command(python: Path, locks: Sequence[str]) -> Sequence[str | Path]:
    """Return the set-up's command line."""
    return ["requirements/bootstrap", python, "venv", *(f"requirements/{lock}" for lock in locks)]


def bootstrap(checkout: Path, python: Path, locks: Sequence[str]) -> tuple[int, str]:
    """Run the set-up; return its exit code and what it said."""
    done = subprocess.run(
        command(python, locks), cwd=checkout, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def installed(checkout: Path) -> set[tuple[str, str]]:
    """Return what the environment holds, pip and what venv brings aside."""
    folders = [str(each) for each in checkout.glob("venv/lib/python3*/site-packages")]
    found = metadata.distributions(path=folders)
    named = {(re.sub(r"[-_.]+", "-", each.name).lower(), each.version) for each in found}
    return {each for each in named if each[0] not in {"pip", "setuptools"}}


@pytest.mark.parametrize("python", ["pip-oldest.txt", "pip-newest.txt"], indirect=True)
def test_exactly_the_lock_is_installed(checkout: Path, python: Path) -> None:
    """First what the exporter needs, then the rest on top, then nothing more; and nothing newer."""
    code, said = bootstrap(checkout, python, ["runtime.txt"])
    assert code == 0, said
    assert installed(checkout) == locked("runtime.txt")
    code, said = bootstrap(checkout, python, LOCKS)
    assert code == 0, said
    assert "making" not in said
    assert installed(checkout) == locked(*LOCKS)
    assert bootstrap(checkout, python, LOCKS) == (0, "")
    assert bootstrap(checkout, python, ["runtime.txt"]) == (0, "")


def test_a_lock_that_changed_makes_the_environment_anew(checkout: Path, python: Path) -> None:
    """What has left it does not linger; where that leaves a gap, the set-up fails, and says so."""
    assert bootstrap(checkout, python, ["runtime.txt"])[0] == 0
    lock = checkout / "requirements" / "runtime.txt"
    lock.write_text(re.sub(r"^botocore==.*\n.*\n", "", lock.read_text(), flags=re.MULTILINE))
    for _ in range(2):
        code, said = bootstrap(checkout, python, ["runtime.txt"])
        assert code != 0
        assert re.search(
            r"^boto3 \S+ requires botocore, which is not installed\.$", said, re.MULTILINE
        )
    assert "botocore" not in dict(installed(checkout))


@pytest.mark.parametrize("word", ["making", "fetching", r"installing \d"])
def test_a_set_up_that_was_cut_off_is_made_anew(checkout: Path, python: Path, word: str) -> None:
    """Ctrl-C at any of its steps leaves nothing that the next one trips over."""
    with subprocess.Popen(
        command(python, ["runtime.txt"]),
        cwd=checkout,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if re.match(word, line.strip()):
                os.killpg(process.pid, signal.SIGINT)
                break
    assert process.returncode != 0
    assert bootstrap(checkout, python, ["runtime.txt"])[0] == 0
    assert installed(checkout) == locked("runtime.txt")


def test_whatever_installs_from_a_lock_does_it_in_one_way() -> None:
    """No build file, script, workflow or document has pip read a lock by itself."""
    names = "Dockerfile Makefile *.md docs/**/*.md .github/workflows/* requirements/* .ci/run"
    scripts = "image/build tests/system-packages"
    reads_a_lock = re.compile(r"pip\b.* install .*(-r |--requirement|--require-hashes)")
    found = [
        (path.name, line)
        for name in (*names.split(), *scripts.split())
        for path in ROOT.glob(name)
        if path.is_file() and path.name != "CHANGELOG.md"
        for line in path.read_text().replace("\\\n", " ").splitlines()
        if reads_a_lock.search(line)
    ]
    assert found == []
