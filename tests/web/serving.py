"""The server in a loop of its own, and clients of it in the test's thread."""

import contextlib
import http.client
import io
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from starlette.types import ASGIApp

from exporter.log import Lines, Log
from exporter.web.connections import Limits
from exporter.web.server import DEFAULT_LIMITS, Server, listen
from tests.loops import Loop
from tests.processes import PATIENCE, Answer


class Served:
    """A server that a test starts and stops."""

    def __init__(
        self, app: ASGIApp, sock: socket.socket, log: Log | None = None, **options: Any
    ) -> None:
        """Make it; it does not serve yet."""
        self.loop = Loop()
        unread = Lines(io.StringIO(), level="error", form="logfmt").log
        self.server = self.loop.do(lambda: Server(app, sock, log or unread, **options))
        self.port: int = sock.getsockname()[1]

    def start(self) -> None:
        """Serve."""
        self.loop.do(self.server.start)

    def stop(self, seconds: float) -> None:
        """Stop, and end the loop; a second time there is nothing to end."""
        if self.loop.is_closed:
            return
        self.loop.do(lambda: self.server.stop(seconds), seconds + 30)
        self.loop.close()


class Client:
    """A client of one server, over TLS where it has a context."""

    def __init__(
        self, port: int, host: str = "127.0.0.1", context: ssl.SSLContext | None = None
    ) -> None:
        """Speak to a port."""
        self.port, self.host, self._context = port, host, context

    def connection(self) -> http.client.HTTPConnection:
        """Return a connection of one's own."""
        if self._context:
            return http.client.HTTPSConnection(
                self.host, self.port, timeout=PATIENCE, context=self._context
            )
        return http.client.HTTPConnection(self.host, self.port, PATIENCE)

    def __call__(self, path: str, method: str = "GET", **headers: str) -> Answer:
        """Ask on a connection of its own; headers are spelled with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with contextlib.closing(self.connection()) as connection:
            connection.request(method, path, headers=named)
            got = connection.getresponse()
            return Answer(got.status, {k.lower(): v for k, v in got.getheaders()}, got.read())

    def ok(self, path: str, method: str = "GET", **headers: str) -> Answer:
        """Ask, and expect an answer that is in order."""
        answer = self(path, method, **headers)
        assert answer.status == 200
        return answer


def serve_until_end(application: ASGIApp, limits: Limits = DEFAULT_LIMITS) -> None:
    """Serve until standard input ends; say the port."""
    server = Served(application, listen("127.0.0.1", 0), limits=limits)
    server.start()
    sys.stdout.write(f"{server.port}\n")
    sys.stdout.flush()
    sys.stdin.read()
    server.stop(1)


@contextlib.contextmanager
def elsewhere(code: str) -> Iterator[tuple[int, Client]]:
    """Run code that serves until the end of its input; give the process's id, and a client."""
    command, pipe = [sys.executable, "-c", code], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin
        assert process.stdout
        try:
            yield process.pid, Client(int(process.stdout.readline()))
        finally:
            process.stdin.close()
