"""The images, built from the Dockerfile for real, and run within what Kubernetes lets a pod do."""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.processes import Exporter

ROOT = Path(__file__).parents[2]
BUILT = ROOT / "build" / "image"
BASE = "localhost/stand-in"
NAME = "ghcr.io/macie-invitations-exporter/macie-invitations-exporter"
VERSION, REVISION = "9.8.7rc6", "0123456789abcdef0123456789abcdef01234567"
"""What the images are told to be: neither is the source's own."""


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
        with os.fdopen(read) as told:
            process = subprocess.Popen(
                [
                    *self._sandbox(variables, "--info-fd", str(write)),
                    *self.config["Entrypoint"],
                    *words,
                ],
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
        """Run another command in it to its end; give what it prints, fail with its complaint."""
        answer = subprocess.run(
            [*self._sandbox({}), *command], capture_output=True, text=True, check=False
        )
        assert answer.returncode == 0, answer.stdout + answer.stderr
        return answer.stdout

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
