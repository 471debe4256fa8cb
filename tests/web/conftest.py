"""The application behind a real socket, and what it shows."""

import contextlib
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.types import ASGIApp

from exporter.web.app import app
from exporter.web.connections import Limits
from exporter.web.server import DEFAULT_LIMITS, listen
from tests.web.pki import Authority
from tests.web.secured import Secured
from tests.web.serving import Client as Client  # noqa: PLC0414 -- for those who ask for it here
from tests.web.serving import Served


class Shown:
    """An exposition of few bytes."""

    async def text(self, tail: Callable[[], bytes]) -> Sequence[bytes]:
        """Return it as text."""
        return [b"shown", b" 1.0\n", tail()]

    async def gzip(self, tail: Callable[[], bytes]) -> Sequence[bytes]:
        """Return it packed, so that a test can tell."""
        return [b"(packed shown 1.0\n", tail(), b")"]


class Own:
    """The exporter's own metrics, of few bytes."""

    def text(self) -> bytes:
        """Return them in the text format."""
        return b"own_total 2.0\n"

    def openmetrics(self) -> bytes:
        """Return them in OpenMetrics."""
        return b"own_total 2.0\n# EOF\n"


@dataclass
class Health:
    """Health as a test sets it."""

    is_healthy: bool = True
    waiting: str = ""

    def healthy(self) -> bool:
        """Return what the test says."""
        return self.is_healthy

    def waits_for(self) -> str:
        """Return what the test says."""
        return self.waiting


def showing(**parts: Any) -> ASGIApp:
    """Return the application, which shows little and is well unless told otherwise."""
    usual: dict[str, Any] = {"exposition": Shown(), "own": Own(), "health": Health()}
    return app(telemetry_path="/metrics", **(usual | parts))


Serve = Callable[..., Served]
Secure = Callable[..., Secured]
Connect = Callable[[int], socket.socket]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve applications; stop when the test ends."""
    with contextlib.ExitStack() as stack:

        def start(application: ASGIApp, host: str = "127.0.0.1", **options: Any) -> Served:
            server = Served(application, listen(host, 0), **options)
            server.start()
            stack.callback(server.stop, 5)
            return server

        yield start


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[Secure]:
    """Serve with a web file, in the test's folder; stop when the test ends."""
    with contextlib.ExitStack() as stack:

        def start(text: str, limits: Limits = DEFAULT_LIMITS) -> Secured:
            secured = Secured(tmp_path, text, limits)
            stack.callback(secured.server.stop, 5)
            return secured

        yield start


@pytest.fixture
def opened() -> Iterator[Connect]:
    """Open bare connections; close them when the test ends."""
    with contextlib.ExitStack() as stack:

        def connect(port: int) -> socket.socket:
            return stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))

        yield connect


@pytest.fixture(scope="session")
def authority() -> Authority:
    """Who signs the certificates."""
    return Authority()
