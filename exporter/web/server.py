"""The HTTP server: a listening socket, and an application that uvicorn's HTTP hands requests to."""

import asyncio
import errno
import logging
import os
import socket
from functools import partial
from math import ceil

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from exporter.log import Log
from exporter.memory import give_back_large_blocks
from exporter.web.connections import Connection, Connections, Limits, Phase, TlsInForce
from exporter.web.guard import MAX_HEAD_BYTES
from exporter.web.sending import BEGIN, UnderWay

_BACKLOG = 1024
_SEND_BUFFER_BYTES = 4 * 1024 * 1024
"""As much as the system allows: whatever does not fit waits for the event loop to come round."""

DEFAULT_LIMITS = Limits()

_CONNECTION = "connection"
"""Where a request's connection stands, in the scope's state."""

_LOGGERS = ("uvicorn.error", "asyncio")
"""Where what goes wrong in the server is told; without a handler it would go to stderr as it is."""

_ADVICE = {
    errno.EADDRINUSE: "stop what listens there, or set another web.listen_address",
    errno.EADDRNOTAVAIL: "this machine has no such address: set another web.listen_address",
    errno.EACCES: "ports below 1024 need a privilege: set another web.listen_address",
}


class AddressInUseError(Exception):
    """The listening address cannot be had; the message says why, and what to do."""


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
    """Serves an application on a listening socket, in the running event loop."""

    def __init__(
        self,
        app: ASGIApp,
        sock: socket.socket,
        log: Log,
        *,
        tls: TlsInForce = lambda: None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        """Make a server that does not serve yet; connections wait in the socket's backlog.

        What goes wrong while it serves is told to the log. Each connection has the TLS that is in
        force when it comes, if any.
        """
        self._app, self._socket, self._tls, self._limits = app, sock, tls, limits
        self._troubles = _Troubles(log)
        self._state, self._under_way = ServerState(), UnderWay(limits.held_bytes)
        self._config = uvicorn.Config(
            self._answer,
            interface="asgi3",
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            # Whoever asks says what it likes there; turns are given by address.
            proxy_headers=False,
            timeout_keep_alive=ceil(limits.seconds[Phase.IDLE]),
            h11_max_incomplete_event_size=MAX_HEAD_BYTES,
        )
        self._connections: Connections | None = None

    @property
    def port(self) -> int:
        """The port that the socket is bound to."""
        port: int = self._socket.getsockname()[1]
        return port

    def start(self) -> None:
        """Begin to serve."""
        give_back_large_blocks()
        for name in _LOGGERS:
            logging.getLogger(name).addHandler(self._troubles)
        self._config.load()
        self._connections = Connections(self._socket, self._http, self._tls, self._limits)

    async def stop(self, seconds: float) -> None:
        """Answer what is under way, within so many seconds, and close the socket."""
        if self._connections is not None:
            await self._connections.close()
            if self._state.tasks:
                await asyncio.wait(self._state.tasks, timeout=seconds)
            await self._connections.abort()
        for task in self._state.tasks:
            task.cancel()
        for name in _LOGGERS:
            logging.getLogger(name).removeHandler(self._troubles)
        self._socket.close()

    def _http(self, connection: Connection) -> asyncio.Protocol:
        begin = partial(self._under_way.begin, drop=connection.drop)
        return H11Protocol(self._config, self._state, {_CONNECTION: connection, BEGIN: begin})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, and have its connection know of it."""
        connection = scope["state"][_CONNECTION]
        connection.begin_answer()
        try:
            await self._app(scope, receive, send)
        finally:
            connection.end_answer()


class _Troubles(logging.Handler):
    """Passes what the server's libraries log on as events.

    Warnings are about what clients sent: at debug, since outsiders could flood the log with them.
    """

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        error = record.getMessage().strip()
        if record.levelno < logging.ERROR:
            self._log.debug("web_request_refused", error=error)
        elif record.exc_info:
            self._log.exception("web_server_error", error=error, exc_info=record.exc_info[1])
        else:
            self._log.warning("web_server_error", error=error)
