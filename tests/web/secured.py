"""A server with a web configuration file, over real sockets, and clients that speak TLS."""

import io
import os
import ssl
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import bcrypt
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from exporter.log import Lines
from exporter.web.connections import Limits
from exporter.web.middleware import secured
from exporter.web.server import DEFAULT_LIMITS, listen
from exporter.web.watcher import Watcher
from tests.processes import Answer
from tests.web.pki import Authority, Pair
from tests.web.serving import Client, Served


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer anything with a greeting."""
    await PlainTextResponse(f"hello {Request(scope).method}\n")(scope, receive, send)


class Secured:
    """A server with a web file in a folder, the log that it writes, and what it answers."""

    def __init__(
        self,
        folder: Path,
        text: str,
        limits: Limits = DEFAULT_LIMITS,
        wait: Callable[[float], object] = lambda _: None,
        app: ASGIApp = hello,
    ) -> None:
        """Write the file and serve; `wait` is how it is waited for that a file settles."""
        self.file = folder / "web.yml"
        self.file.write_text(text)
        self._log = io.StringIO()
        log = Lines(self._log, level="debug", form="logfmt", now=lambda: 0.0).log
        self.watcher = Watcher(str(self.file), time.time, log, wait)
        self.handshakes_refused = 0
        self.server = Served(
            secured(app, self.watcher.rules),
            listen("127.0.0.1", 0),
            log,
            tls=lambda: self.watcher.rules().tls,
            handshake_refused=self._count,
            limits=limits,
        )
        self.server.start()
        self.port = self.server.port

    def _count(self) -> None:
        self.handshakes_refused += 1

    def look(self) -> None:
        """Have the file looked at now."""
        self.server.loop.do(self.watcher.look)

    def change(self, text: str) -> None:
        """Write the file anew, and have it looked at."""
        write(self.file, text)
        self.look()

    @property
    def log(self) -> str:
        """What has been logged."""
        return self._log.getvalue()

    def has_logged(self, words: str) -> bool:
        """Return whether something has been logged."""
        return words in self.log

    def get(self, path: str = "/", **headers: str) -> Answer:
        """Ask over plain HTTP; headers are spelled with underscores."""
        return Client(self.port)(path, **headers)

    def admits(self, user: str, password: str) -> bool:
        """Return whether a user comes in with a password, rather than being refused."""
        answer = self.get(Authorization=basic(user, password))
        assert answer.status in {200, 401}
        return answer.status == 200

    def get_tls(self, context: ssl.SSLContext) -> Answer:
        """Ask over TLS."""
        return Client(self.port, context=context)("/")


def write(path: Path, text: str) -> None:
    """Write a file anew, with a later date: the system's own may be the same for milliseconds."""
    later = path.stat().st_mtime_ns + 1
    path.write_text(text)
    os.utime(path, ns=(later, max(later, path.stat().st_mtime_ns)))


def trusting(authority: Authority, client: Pair | None = None) -> ssl.SSLContext:
    """Return a client's context that trusts an authority, with a certificate of its own if any."""
    context = ssl.create_default_context(cadata=authority.pem)
    if client:
        with tempfile.TemporaryDirectory() as folder:
            context.load_cert_chain(*client.write(Path(folder), "client"))
    return context


def basic(user: str, password: str) -> str:
    """Return the value of the header Authorization."""
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


def hashed(password: str, cost: int = 4) -> str:
    """Return a bcrypt hash, a quick one."""
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost)).decode()
