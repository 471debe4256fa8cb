"""The application behind a real socket, and what it shows."""

import contextlib
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.types import ASGIApp

from exporter.web.server import listen
from tests.web.pki import Authority, Pair
from tests.web.secured import Secured
from tests.web.serving import Served
from tests.web.site import Site

Serve = Callable[..., Served]
Secure = Callable[..., Secured]
Connect = Callable[..., socket.socket]


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

        def start(text: str, **options: Any) -> Secured:
            secured = Secured(tmp_path, text, **options)
            stack.callback(secured.server.stop, 5)
            return secured

        yield start


@pytest.fixture
def opened() -> Iterator[Connect]:
    """Open bare connections; close them when the test ends."""
    with contextlib.ExitStack() as stack:

        def connect(port: int, source: str = "127.0.0.1") -> socket.socket:
            sock = socket.create_connection(("127.0.0.1", port), 10, (source, 0))
            return stack.enter_context(sock)

        yield connect


@pytest.fixture(scope="session")
def authority() -> Authority:
    """Who signs the certificates."""
    return Authority()


@pytest.fixture
def pair(authority: Authority, tmp_path: Path) -> Pair:
    """A server's certificate, and the authority's, in the web file's folder."""
    made = authority.sign()
    made.write(tmp_path, "server")
    (tmp_path / "ca.pem").write_text(authority.pem)
    return made


@pytest.fixture(scope="session")
def running() -> Iterator[Site]:
    """Pages that are served for all tests."""
    site = Site()
    yield site
    site.server.stop(5)


@pytest.fixture
def site(running: Site) -> Site:
    """The same, of an account of which nothing is known yet."""
    running.polled()
    return running
