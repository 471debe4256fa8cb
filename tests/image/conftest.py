"""Fixtures of the image's tests: it is built once."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import require, unavailable
from tests.image.images import BASE, BUILT, REVISION, VERSION, Builder, Image

STORE = """\
[storage]
driver = "{driver}"
graphroot = "{path}/images"
runroot = "{path}/run"
"""


@pytest.fixture(scope="session")
def builder() -> Iterator[Builder]:
    """Buildah with a store of its own, which holds the stand-in base and the image."""
    for program in ("buildah", "debootstrap"):
        require(program)
    _require_namespaces(require("bwrap"))
    store = BUILT / f"store-{os.getpid()}"
    made = _with_store(store)
    try:
        made.run("tests/image/stand-in-base", BASE)
        arguments = f"--build-arg BASE={BASE}"
        made.run("image/build", ARGS=arguments, VERSION=VERSION, REVISION=REVISION)
        yield made
    finally:
        made.run("buildah", "rm", "--all")
        shutil.rmtree(store)


def _require_namespaces(bwrap: Path) -> None:
    """Ask for what building and running need of the machine: root, and namespaces to make."""
    if os.geteuid() != 0:
        unavailable("an image is built and run as root alone")
    options = ("--ro-bind", "/", "/", "--unshare-user", "--unshare-pid", "--proc", "/proc")
    answer = subprocess.run(
        [bwrap, *options, "id"],
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode != 0:
        unavailable(f"this machine makes no namespaces: {answer.stderr.strip()}")


def _with_store(store: Path) -> Builder:
    """Return buildah a store, of layers where the file system can stack them."""
    store.mkdir(parents=True)
    settings = store / "storage.conf"
    made = Builder(
        {
            "BUILDAH_ISOLATION": "chroot",
            # Nothing is built twice here: what a cache would hold is not written.
            "BUILDAH_LAYERS": "false",
            "CONTAINERS_STORAGE_CONF": str(settings),
            "ENGINE": "buildah",
        }
    )
    for driver in ("overlay", "vfs"):
        settings.write_text(STORE.format(driver=driver, path=store))
        try:
            made.run("buildah", "info")
        except AssertionError:
            continue
        break
    return made


@pytest.fixture(scope="session")
def image(builder: Builder) -> Image:
    """The image that ships."""
    return builder.image(VERSION)
