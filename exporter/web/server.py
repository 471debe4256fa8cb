"""The HTTP server: accepts connections, and drops those that are waited for too long.

There is a place for so many connections. Where all are taken, whoever has been waited for the
longest makes room: slow connections, however many, do not keep others out. That is why it accepts
by itself: uvicorn and asyncio can refuse who comes, but not send away who is there.
"""

import asyncio
import contextlib
import errno
import logging
import socket
from collections.abc import Callable
from math import ceil, inf

import uvicorn
from starlette.types import ASGIApp
from uvicorn.server import ServerState

from exporter.background import until_next
from exporter.log import Log
from exporter.memory import give_back_large_blocks
from exporter.web.connections import Connection, Limits, UnderWay
from exporter.web.middleware import MAX_HEAD_BYTES
from exporter.web.tls import Tls, telling

DEFAULT_LIMITS = Limits()

_LOGGERS = ("uvicorn.error", "asyncio")
"""Of the libraries; without a handler what they complain of would go to stderr as it is."""

_BACKLOG = 1024
_SEND_BUFFER_BYTES = 4 * 1024 * 1024
"""As much as the system allows, for all connections: what does not fit waits for the event loop."""


class AddressInUseError(Exception):
    """The listening address cannot be had; the message says why."""


def listen(host: str, port: int) -> socket.socket:
    """Bind the listening socket; an empty host means every interface, of IPv6 and IPv4.

    Raises AddressInUseError.
    """
    both = not host and socket.has_dualstack_ipv6()
    anywhere = "::" if both else "0.0.0.0"  # noqa: S104 -- that is what no host means
    try:
        # The whole address: that of an IPv6 host may name an interface, as in fe80::1%eth0.
        found = socket.getaddrinfo(host or anywhere, port, type=socket.SOCK_STREAM)
        family, _, _, _, address = found[0]
        sock = socket.create_server(address, family=family, backlog=_BACKLOG, dualstack_ipv6=both)
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        at = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        text = f"cannot listen on {at}: {why}: set another web.listen_address"
        raise AddressInUseError(text) from error
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
    sock.setblocking(False)  # noqa: FBT003 -- the socket module's
    return sock


class Server:
    """Serves an application on a listening socket, in the running event loop."""

    def __init__(
        self,
        app: ASGIApp,
        sock: socket.socket,
        log: Log,
        *,
        tls: Callable[[], Tls | None] = lambda: None,
        handshake_refused: Callable[[], object] = lambda: None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        """Make a server that does not serve yet; connections wait in the socket's backlog.

        Each has the TLS that is in force when it comes, if any; `handshake_refused` counts those
        that get no further. What else goes wrong is told to the log.
        """
        self._socket, self._log = sock, log
        self._tls, self._limits, self._count_refused = tls, limits, handshake_refused
        self._complaints, self._telling = _Complaints(log), telling(self._refused)
        self._state, self._under_way = ServerState(), UnderWay(limits.held_bytes)
        self._loop = asyncio.get_running_loop()
        self._sweeping: asyncio.TimerHandle | None = None
        self._config = uvicorn.Config(
            app,
            http="h11",
            ws="none",
            log_config=None,
            access_log=False,
            # Whoever asks says what it likes there; turns are given by address.
            proxy_headers=False,
            timeout_keep_alive=ceil(limits.idle),
            h11_max_incomplete_event_size=MAX_HEAD_BYTES,
        )

    @property
    def port(self) -> int:
        """The port that the socket is bound to."""
        port: int = self._socket.getsockname()[1]
        return port

    @property
    def _connections(self) -> list[Connection]:
        return [each for each in self._state.connections if isinstance(each, Connection)]

    def start(self) -> None:
        """Begin to serve."""
        give_back_large_blocks()
        for name in _LOGGERS:
            logging.getLogger(name).addHandler(self._complaints)
        self._config.load()
        self._sweep()
        self._loop.add_reader(self._socket, self._accept)

    async def stop(self, seconds: float) -> None:
        """Have answers that are under way end, within so many seconds, and close the socket."""
        if self._sweeping:
            self._sweeping.cancel()
            self._sweeping = None
            self._loop.remove_reader(self._socket)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                # Again for who asks meanwhile, on a connection that is there.
                while self._state.tasks:
                    await asyncio.wait(self._state.tasks)
        for connection in self._connections:
            connection.drop()
        await asyncio.sleep(0)
        for task in self._state.tasks:
            task.cancel()
        for name in _LOGGERS:
            logging.getLogger(name).removeHandler(self._complaints)
        self._socket.close()

    def _accept(self) -> None:
        """Take one connection: others of the loop have their turn before the next."""
        try:
            sock, _ = self._socket.accept()
        except OSError as error:
            if error.errno in {errno.EMFILE, errno.ENFILE}:
                self._make_room()
            return
        if len(self._state.connections) >= self._limits.connections and not self._make_room():
            sock.close()
            return
        sock.setblocking(False)  # noqa: FBT003 -- the socket module's
        http = self._config, self._state
        made = Connection(http, self._limits, self._under_way, self._tls(), self._refused)
        made.opening = self._loop.create_task(self._open(made, sock))
        # Not in the task itself: it may be cancelled before it begins.
        made.opening.add_done_callback(lambda _: self._opened(made, sock))

    async def _open(self, connection: Connection, sock: socket.socket) -> None:
        """Bring a connection to where HTTP begins."""
        context = connection.tls.context if connection.tls else None
        if context:
            context.sslobject_class = self._telling
        with contextlib.suppress(OSError):
            await self._loop.connect_accepted_socket(lambda: connection, sock, ssl=context)

    def _opened(self, connection: Connection, sock: socket.socket) -> None:
        if connection.transport is None:
            self._state.connections.discard(connection)
            sock.close()

    def _refused(self, reason: str) -> None:
        self._count_refused()
        self._log.debug("tls_handshake_refused", reason=reason)

    def _make_room(self) -> bool:
        """Drop whoever has been waited for the longest; return whether there was anybody."""
        waited_for = [each for each in self._connections if each.waits_until < inf]
        if not waited_for:
            return False
        longest = min(waited_for, key=lambda each: each.waits_since)
        self._state.connections.discard(longest)
        longest.drop()
        return True

    def _sweep(self) -> None:
        """Drop whoever takes too long, and idle connections that were made by other rules."""
        self._sweeping = self._loop.call_later(until_next(self._limits.look_every), self._sweep)
        now, tls = self._loop.time(), self._tls()
        for each in self._connections:
            if now > each.waits_until or (each.is_idle and each.tls is not tls):
                each.drop()


class _Complaints(logging.Handler):
    """Passes what the server's libraries complain of on as events.

    Warnings are about what clients sent: at debug, since outsiders could flood the log with them.
    """

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        error = record.getMessage().strip()
        if record.levelno < logging.ERROR:
            self._log.debug("web_request_refused", error=error)
        else:
            error_info = record.exc_info[1] if record.exc_info else None
            self._log.exception("web_server_error", error=error, exc_info=error_info)
