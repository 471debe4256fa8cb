"""The image of the image's tests: it is built once."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.conftest import require, unavailable
from tests.image.images import BASE, BUILT, NAME, REVISION, ROOT, VERSION, Image

STORE = """\
[storage]
driver = "{driver}"
graphroot = "{path}/images"
runroot = "{path}/run"
"""


@pytest.fixture(scope="session")
def image() -> Iterator[Image]:
    """The image that ships, built by buildah in a store of its own on the stand-in base."""
    for program in ("buildah", "debootstrap"):
        require(program)
    _require_namespaces(require("bwrap"))
    store = BUILT / f"store-{os.getpid()}"
    environ = _with_store(store)
    try:
        _run(environ, "tests/image/stand-in-base", BASE)
        told = {"ARGS": f"--build-arg BASE={BASE}", "VERSION": VERSION, "REVISION": REVISION}
        _run(environ | told, "image/build")
        tag = f"{NAME}:{VERSION}"
        described = json.loads(_run(environ, "buildah", "inspect", "--type", "image", tag))
        container = _run(environ, "buildah", "from", "--pull-never", tag).strip()
        root = Path(_run(environ, "buildah", "mount", container).strip())
        sizes = [layer["size"] for layer in json.loads(described["Manifest"])["layers"]]
        yield Image(root, described["OCIv1"]["config"], sizes)
    finally:
        _run(environ, "buildah", "rm", "--all")
        shutil.rmtree(store)


def _require_namespaces(bwrap: Path) -> None:
    """Ask for what building and running need of the machine: root, and namespaces to make."""
    if os.geteuid() != 0:
        unavailable("an image is built and run as root alone")
    options = ("--ro-bind", "/", "/", "--unshare-user", "--unshare-pid", "--proc", "/proc")
    answer = subprocess.run([bwrap, *options, "id"], capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        unavailable(f"this machine makes no namespaces: {answer.stderr.strip()}")


def _with_store(store: Path) -> dict[str, str]:
    """Make buildah a store, of layers where the file system can stack them; return variables."""
    store.mkdir(parents=True)
    settings = store / "storage.conf"
    environ = {
        "BUILDAH_ISOLATION": "chroot",
        # Nothing is built twice here: what a cache would hold is not written.
        "BUILDAH_LAYERS": "false",
        "CONTAINERS_STORAGE_CONF": str(settings),
        "ENGINE": "buildah",
    }
    for driver in ("overlay", "vfs"):
        settings.write_text(STORE.format(driver=driver, path=store))
        try:
            _run(environ, "buildah", "info")
        except AssertionError:
            continue
        break
    return environ


def _run(variables: Mapping[str, str], *words: str) -> str:
    """Run a program that builds; return what it prints, fail with what it complains of."""
    environ = {**os.environ, **variables}
    answer = subprocess.run(
        words, cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout
