"""The image, built from the Dockerfile for real, and run within what Kubernetes lets a pod do."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import require, unavailable
from tests.processes import Exporter

ROOT = Path(__file__).parents[2]
BASE = "localhost/stand-in"
NAME = "ghcr.io/macie-invitations-exporter/macie-invitations-exporter"
VERSION, REVISION = "9.8.7rc6", "0123456789abcdef0123456789abcdef01234567"
"""What the image is told to be: neither is the source's own."""
STORE = """\
[storage]
driver = "{driver}"
graphroot = "{path}/images"
runroot = "{path}/run"
"""


@dataclass(frozen=True)
class Image:
    """A built image.

    `config` is what OCI's image specification calls so; `sizes` are those of its layers, in bytes,
    the base's first.
    """

    root: Path
    config: Mapping[str, Any]
    sizes: Sequence[int]

    @property
    def packages(self) -> Path:
        """Where Python's packages are."""
        (found,) = self.root.glob("opt/exporter/lib/python3*/site-packages")
        return found

    @contextlib.contextmanager
    def running(self, *words: str, variables: Mapping[str, str]) -> Iterator["Container"]:
        """Run it until the block ends, with these words."""
        read, write = os.pipe()
        sandbox = self._sandbox(variables, "--info-fd", str(write))
        with os.fdopen(read) as told:
            process = subprocess.Popen(
                [*sandbox, *self.config["Entrypoint"], *words],
                pass_fds=[write],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            os.close(write)
            facts = told.read()
        assert facts, process.communicate()[1]
        container = Container(process, pid=json.loads(facts)["child-pid"])
        try:
            yield container
        finally:
            if process.stderr is not None and not process.stderr.closed:
                container.stop(signal.SIGKILL)

    def output(self, *command: str) -> str:
        """Run another command in it to its end; give what it prints."""
        return _run({}, *self._sandbox({}), *command)

    def _sandbox(self, variables: Mapping[str, str], *options: str) -> list[str]:
        """Return the beginning of a command line that does what the restricted profile asks for.

        The image's own user, no capability, no new privileges (bwrap always), a read-only root,
        no volume, and no variable but the image's own. As in a pod it is process 1.
        """
        user, _, group = self.config["User"].partition(":")
        environment = dict(each.split("=", 1) for each in self.config["Env"]) | dict(variables)
        return [
            "bwrap",
            *("--ro-bind", str(self.root), "/", "--proc", "/proc", "--dev", "/dev"),
            *("--remount-ro", "/dev", "--chdir", "/"),
            *("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--as-pid-1"),
            *("--uid", user, "--gid", group, "--cap-drop", "ALL", "--die-with-parent"),
            "--clearenv",
            *(word for name, value in environment.items() for word in ("--setenv", name, value)),
            *options,
        ]


@dataclass
class Container(Exporter):
    """A running image. Signals go to its process 1, past the sandbox's own."""

    pid: int = field(kw_only=True)

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if anyone is left to get it."""
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


@pytest.fixture(scope="session")
def image() -> Iterator[Image]:
    """The image that ships, built by buildah in a store of its own on the stand-in base."""
    for program in ("buildah", "debootstrap"):
        require(program)
    _require_namespaces(require("bwrap"))
    store = ROOT / "build" / "image" / f"store-{os.getpid()}"
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
        with contextlib.suppress(AssertionError):
            _run(environ, "buildah", "info")
            break
    return environ


def _run(variables: Mapping[str, str], *words: str) -> str:
    """Run a program; return what it prints, fail with what it complains of."""
    environ = {**os.environ, **variables}
    answer = subprocess.run(
        words, cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout
