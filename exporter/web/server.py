"""The HTTP server: a socket, and uvicorn in a thread of its own."""

import asyncio
import errno
import logging
import os
import socket
import threading
from collections.abc import Callable
from math import ceil

import uvicorn
from starlette.types import ASGIApp

from exporter.log import Log
from exporter.web.connections import Door, Limits, Phase, TlsInForce
from exporter.web.guard import MAX_HEAD_BYTES

_BACKLOG = 1024
_SEND_BUFFER_BYTES = 4 * 1024 * 1024
"""As much as the system allows: whatever does not fit waits for the event loop to come round."""

_GRACE_SECONDS = 1
"""For answers under way when the server stops."""

DEFAULT_LIMITS = Limits()

_LOGGERS = ("uvicorn.error", "asyncio")
"""Where what goes wrong in the server is told; without a handler it would go to stderr as it is."""

_ADVICE = {
    errno.EADDRINUSE: "stop what listens there, or set another web.listen_address",
    errno.EADDRNOTAVAIL: "this machine has no such address: set another web.listen_address",
    errno.EACCES: "ports below 1024 need a privilege: set another web.listen_address",
}


class AddressInUseError(Exception):
    """The listening address cannot be had; the message says why, and what to do."""


class ServerError(Exception):
    """The server does not serve; the message says why."""


def listen(host: str, port: int) -> socket.socket:
    """Bind the listening socket; an empty host means every interface, of IPv6 and IPv4.

    Raises AddressInUseError.
    """
    try:
        sock = _one_interface(host, port) if host else _every_interface(port)
    except (OSError, UnicodeError) as error:
        shown = f"[{host}]" if ":" in host else host
        raise AddressInUseError(f"cannot listen on {shown}:{port}: {_reason(error)}") from error
    # Those that it accepts inherit it.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
    return sock


def _reason(error: OSError | UnicodeError) -> str:
    if isinstance(error, UnicodeError | socket.gaierror):
        return "the host name cannot be resolved: set another web.listen_address"
    # Not error.strerror: create_server has added the address to it, as Python writes it.
    number = error.errno or 0
    return f"{os.strerror(number)}: {_ADVICE.get(number, 'set another web.listen_address')}"


def _one_interface(host: str, port: int) -> socket.socket:
    family, _, _, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    # The whole address: that of an IPv6 host may name an interface, as in fe80::1%eth0.
    return socket.create_server(address, family=family, backlog=_BACKLOG)


def _every_interface(port: int) -> socket.socket:
    if socket.has_dualstack_ipv6():
        return socket.create_server(
            ("", port), family=socket.AF_INET6, backlog=_BACKLOG, dualstack_ipv6=True
        )
    return socket.create_server(("", port), backlog=_BACKLOG)


class Server:
    """Serves an application on a socket until it is stopped."""

    def __init__(
        self,
        app: ASGIApp,
        sock: socket.socket,
        log: Log | None = None,
        *,
        tls: TlsInForce = lambda: None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        """Make a server that does not serve yet; connections wait in the socket's backlog.

        What goes wrong while it serves is told to the log. Each connection has the TLS that is in
        force when it comes, if any.
        """
        self._socket = sock
        self._settled = threading.Event()
        self._failure: BaseException | None = None
        self._server = _Uvicorn(app, self._settled.set, tls, limits)
        self._troubles = _Troubles(log)
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)

    @property
    def port(self) -> int:
        """The port that the socket is bound to."""
        port: int = self._socket.getsockname()[1]
        return port

    def start(self) -> None:
        """Serve in a thread of its own; return once it does.

        Raises ServerError if it does not.
        """
        self._thread.start()
        self._settled.wait()
        if self._failure is not None:
            raise ServerError(f"the web server did not start: {self._failure}") from self._failure

    def stop(self, timeout: float) -> None:
        """Answer what is under way, within so many seconds, and close the socket.

        A server that needs longer closes it when it ends.
        """
        self._server.should_exit = True
        if self._thread.ident is None:
            self._socket.close()
        else:
            self._thread.join(timeout)

    def _run(self) -> None:
        for name in _LOGGERS:
            logging.getLogger(name).addHandler(self._troubles)
        try:
            self._server.run(sockets=[self._socket])
        except BaseException as error:  # noqa: BLE001 -- raised by `start`, in the other thread
            self._failure = error
        finally:
            for name in _LOGGERS:
                logging.getLogger(name).removeHandler(self._troubles)
            # Only here: the event loop must not find its listening socket closed, or another in
            # its place, while it runs.
            self._socket.close()
            self._settled.set()


class _Uvicorn(uvicorn.Server):
    """Tells when it serves, and leaves no connection behind."""

    def __init__(
        self, app: ASGIApp, on_start: Callable[[], None], tls: TlsInForce, limits: Limits
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                interface="asgi3",
                http="h11",
                loop="asyncio",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=ceil(limits.seconds[Phase.IDLE]),
                timeout_graceful_shutdown=_GRACE_SECONDS,
                h11_max_incomplete_event_size=MAX_HEAD_BYTES,
            )
        )
        self._on_start = on_start
        self._tls, self._limits = tls, limits

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        # No server of asyncio's: it has one TLS context for good, and no limit on connections.
        await super().startup([])
        for sock in sockets or ():
            # A socket that is closed already fails here, and not in a task that nobody looks at.
            sock.getsockname()
            door = Door(sock, self.config, self.server_state, self._tls, self._limits)
            self.servers.append(door)  # type: ignore[arg-type]  # what uvicorn asks of one it has
        self._on_start()

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().serve(sockets)
        finally:
            # Who has not read the answer by now: the loop ends, and would leave the socket open.
            for connection in tuple(self.server_state.connections):
                connection.transport.abort()
            await asyncio.sleep(0)


class _Troubles(logging.Handler):
    """Passes what the server's libraries log on as events.

    Warnings are about what clients sent: at debug, since outsiders could flood the log with them.
    """

    def __init__(self, log: Log | None) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        if self._log is None:
            return
        error = record.getMessage().strip()
        if record.levelno < logging.ERROR:
            self._log.debug("web_request_refused", error=error)
        elif record.exc_info:
            self._log.error("web_server_error", error=error, exc_info=record.exc_info)
        else:
            self._log.warning("web_server_error", error=error)
