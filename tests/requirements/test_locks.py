"""What is installed is the lock, whatever the index offers beside it and whichever pip installs.

The index is a folder: of every package that the locks hold a wheel without code, with the real
one's dependencies, in the locked version and in a newer one. The locks are the project's own, with
these wheels' hashes.
"""

import ast
import hashlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT

import pytest
from packaging.markers import Marker
from packaging.version import Version

from tests.conftest import unavailable

ROOT = Path(__file__).parents[2]
LOCKS = ("runtime.txt", "dev.txt", "tools.txt")


def locked(*locks: str) -> set[tuple[str, str]]:
    """Return what locks of the project hold for this machine, as names and versions."""
    text = "".join((ROOT / "requirements" / lock).read_text() for lock in locks)
    found = re.findall(r"(?m)^(\S+)==(\S+)(?: ; (.*?))? \\$", text)
    return {(name, at) for name, at, marker in found if not marker or Marker(marker).evaluate()}


def wheel(folder: Path, name: str, version: str) -> Path:
    """Make a wheel without code that says of itself what the package installed here does."""
    stem = f"{name.replace('-', '_')}-{version}"
    said = metadata.distribution(name).read_text("METADATA") or ""
    kind = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    made = folder / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(made, "w") as archive:
        own = re.sub(r"(?m)^Version: .*", f"Version: {version}", said, count=1)
        archive.writestr(f"{stem}.dist-info/METADATA", own)
        archive.writestr(f"{stem}.dist-info/WHEEL", kind)
        archive.writestr(f"{stem}.dist-info/RECORD", "")
    return made


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """A folder with every locked package, by name, and a newer version of each.

    Whatever asks for this one or newer takes it.
    """
    folder = tmp_path_factory.mktemp("index")
    for name, version in locked(*LOCKS):
        wheel(folder, name, f"{Version(version).major}.9999")
    return {name: wheel(folder, name, version) for name, version in locked(*LOCKS)}


@pytest.fixture
def checkout(tmp_path: Path, index: Mapping[str, Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project's set-up and locks, where pip knows that index alone."""
    for name in [each for each in os.environ if each.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index["botocore"].parent))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    (tmp_path / "requirements").mkdir()
    for script in ("bootstrap", "install.py"):
        shutil.copy(ROOT / "requirements" / script, tmp_path / "requirements")
    hashes = {name: hashlib.sha256(made.read_bytes()).hexdigest() for name, made in index.items()}
    for lock in LOCKS:
        pins = [f"{name}=={at} --hash=sha256:{hashes[name]}\n" for name, at in locked(lock)]
        (tmp_path / "requirements" / lock).write_text("".join(pins))
    return tmp_path


@pytest.fixture(scope="module", params=["pip-newest.txt"])
def python(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that brings this pip into the environments that it makes.

    They share it, and so what it compiles of itself, which costs more than what it is to do.
    """
    folder = tmp_path_factory.mktemp("pip")
    download = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet"]
    rules = ["--no-deps", "--require-hashes", "--only-binary=:all:", f"--dest={folder}"]
    lock = Path(__file__).with_name(request.param)
    if subprocess.run([*download, *rules, f"--requirement={lock}"], check=False).returncode:
        unavailable("no pip could be fetched: there is no package index")
    (wheel,) = folder.glob("pip-*.whl")
    with zipfile.ZipFile(wheel) as archive:
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


def command(python: Path, *locks: str) -> Sequence[str | Path]:
    """Return the set-up's command line."""
    return ["requirements/bootstrap", python, "venv", *(f"requirements/{lock}" for lock in locks)]


def bootstrap(checkout: Path, python: Path, *locks: str) -> tuple[bool, str]:
    """Run the set-up; return whether it succeeded and what it said."""
    words = command(python, *locks)
    done = subprocess.run(words, cwd=checkout, stdout=PIPE, stderr=STDOUT, text=True, check=False)
    return done.returncode == 0, done.stdout


def installed(checkout: Path) -> set[tuple[str, str]]:
    """Return what the environment holds, pip and what venv brings aside."""
    folders = [str(each) for each in checkout.glob("venv/lib/python3*/site-packages")]
    found = metadata.distributions(path=folders)
    named = {(re.sub(r"[-_.]+", "-", each.name).lower(), each.version) for each in found}
    return {each for each in named if each[0] not in {"pip", "setuptools"}}


@pytest.mark.parametrize("python", ["pip-oldest.txt", "pip-newest.txt"], indirect=True)
def test_exactly_the_lock_is_installed(checkout: Path, python: Path) -> None:
    """First what the exporter needs, then the rest on top, then nothing more; and nothing newer."""
    done, said = bootstrap(checkout, python, "runtime.txt")
    assert done, said
    assert installed(checkout) == locked("runtime.txt")
    done, said = bootstrap(checkout, python, *LOCKS)
    assert (done, "making" in said) == (True, False), said
    assert installed(checkout) == locked(*LOCKS)
    assert bootstrap(checkout, python, *LOCKS) == (True, "")
    assert bootstrap(checkout, python, "runtime.txt") == (True, "")


def test_a_lock_that_changed_makes_the_environment_anew(checkout: Path, python: Path) -> None:
    """What has left it does not linger; where that leaves a gap, the set-up fails, and says so."""
    assert bootstrap(checkout, python, "runtime.txt")[0]
    lock = checkout / "requirements" / "runtime.txt"
    lock.write_text(re.sub(r"(?m)^botocore==.*\n", "", lock.read_text()))
    for _ in range(2):
        done, said = bootstrap(checkout, python, "runtime.txt")
        assert not done
        assert re.search(r"(?m)^boto3 \S+ requires botocore, which is not installed\.$", said)
    assert "botocore" not in dict(installed(checkout))


@pytest.mark.parametrize("word", ["making", "fetching", r"installing \d"])
def test_a_set_up_that_was_cut_off_is_made_anew(checkout: Path, python: Path, word: str) -> None:
    """Ctrl-C at any of its steps leaves nothing that the next one trips over."""
    words = command(python, "runtime.txt")
    with subprocess.Popen(
        words, cwd=checkout, stdout=PIPE, stderr=DEVNULL, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if re.match(word, line.strip()):
                os.killpg(process.pid, signal.SIGINT)
                break
    assert process.returncode != 0
    assert bootstrap(checkout, python, "runtime.txt")[0]
    assert installed(checkout) == locked("runtime.txt")


def test_whatever_installs_from_a_lock_does_it_in_one_way() -> None:
    """No build file, script, workflow or document has pip read a lock by itself."""
    names = "Dockerfile Makefile *.md docs/**/*.md .github/workflows/* requirements/* .ci/run"
    scripts = "image/build deploy/debian/build tests/system-packages"
    reads_a_lock = re.compile(r"pip\b.* install .*(-r |--requirement|--require-hashes)")
    files = [path for name in f"{names} {scripts}".split() for path in ROOT.glob(name)]
    texts = [each.read_text() for each in files if each.is_file() and each.name != "CHANGELOG.md"]
    lines = [line for text in texts for line in text.replace("\\\n", " ").splitlines()]
    assert [line for line in lines if reads_a_lock.search(line)] == []


def test_what_is_imported_is_declared_and_nothing_else_is() -> None:
    """By the distributions that packages come from: another one may cease to bring it along."""
    trees = [ast.parse(path.read_text()) for path in (ROOT / "exporter").rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    modules = [each.name for node in nodes if isinstance(node, ast.Import) for each in node.names]
    modules += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    packages = {each.partition(".")[0] for each in modules} - {"exporter", *sys.stdlib_module_names}
    owners = metadata.packages_distributions()
    needed = {re.sub(r"[-_.]+", "-", owners[package][0]).lower() for package in packages}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert needed == {re.split(r"[>=<\[]", each)[0] for each in project["dependencies"]}
