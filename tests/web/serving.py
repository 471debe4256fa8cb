"""The server in a loop of its own, for clients in the test's thread."""

import io
import socket
from typing import Any

from starlette.types import ASGIApp

from exporter.log import Lines, Log
from exporter.web.server import Server
from tests.loops import Loop


class Served:
    """A server that a test starts and stops."""

    def __init__(
        self, app: ASGIApp, sock: socket.socket, log: Log | None = None, **options: Any
    ) -> None:
        """Make it; it does not serve yet."""
        self.loop = Loop()
        unread = Lines(io.StringIO(), level="error", form="logfmt").log
        self._server = self.loop.do(lambda: Server(app, sock, log or unread, **options))
        self.port: int = sock.getsockname()[1]

    def start(self) -> None:
        """Serve."""
        self.loop.do(self._server.start)

    def stop(self, seconds: float) -> None:
        """Stop, and end the loop; a second time there is nothing to end."""
        if self.loop.is_closed:
            return
        self.loop.do(lambda: self._server.stop(seconds), seconds + 30)
        self.loop.close()
