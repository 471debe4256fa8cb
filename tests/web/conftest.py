"""The application behind a real socket, and what it shows."""

import contextlib
import http.client
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

import pytest

from exporter.web.app import app
from exporter.web.connections import Limits
from exporter.web.server import DEFAULT_LIMITS, listen
from tests.web.pki import Authority
from tests.web.secured import Secured
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


@dataclass(frozen=True)
class Answer:
    """What came over the wire."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


class Client:
    """A client of one server."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        """Speak to a port."""
        self.port, self.host = port, host

    def __call__(self, path: str, method: str = "GET", **headers: str) -> Answer:
        """Ask on a connection of its own; headers are spelled with underscores."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=10)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, headers=named)
            got = connection.getresponse()
            return Answer(got.status, got.read(), {k.lower(): v for k, v in got.getheaders()})
        finally:
            connection.close()

    def ok(self, path: str, **headers: str) -> Answer:
        """Ask, and expect an answer that is in order."""
        answer = self(path, **headers)
        assert answer.status == HTTPStatus.OK
        return answer


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Served, Health]]:
    """A server that runs for all tests of a module, and the health that it tells."""
    health = Health()
    application = app(
        telemetry_path="/metrics",
        exposition=Shown(),
        own=Own(),
        health=health,
    )
    server = Served(application, listen("127.0.0.1", 0))
    server.start()
    yield server, health
    server.stop(5)


@pytest.fixture
def health(served: tuple[Served, Health]) -> Health:
    """What the server's probes say; all is well, unless the test says otherwise."""
    served[1].is_healthy, served[1].waiting = True, ""
    return served[1]


@pytest.fixture
def client(served: tuple[Served, Health], health: Health) -> Client:
    """A client of the server, which is well."""
    assert health is served[1]
    return Client(served[0].port)


@pytest.fixture(scope="session")
def authority() -> Authority:
    """Who signs the certificates."""
    return Authority()


Secure = Callable[..., Secured]


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[Secure]:
    """Serve with a web file, in the test's folder; stop when the test ends."""
    with contextlib.ExitStack() as stack:

        def serve(text: str, limits: Limits = DEFAULT_LIMITS) -> Secured:
            secured = Secured(tmp_path, text, limits)
            stack.callback(secured.server.stop, 5)
            return secured

        yield serve
