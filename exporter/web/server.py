"""The HTTP server: a socket, and uvicorn in a thread of its own."""

import socket
import threading

import uvicorn
from starlette.types import ASGIApp

_BACKLOG = 1024
_KEEP_ALIVE_SECONDS = 75
"""Longer than the usual scrape interval of a minute, so that Prometheus keeps its connection."""

_MAX_HEADER_BYTES = 16 * 1024


class AddressInUseError(Exception):
    """The listening address cannot be had; the message says why."""


def listen(host: str, port: int) -> socket.socket:
    """Bind the listening socket; an empty host means every interface, of IPv6 and IPv4.

    Raises AddressInUseError.
    """
    try:
        if not host:
            return _every_interface(port)
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return socket.create_server(address[:2], family=family, backlog=_BACKLOG)
    except OSError as error:
        message = f"cannot listen on {host}:{port}: {error.strerror}"
        raise AddressInUseError(message) from error


def _every_interface(port: int) -> socket.socket:
    if socket.has_dualstack_ipv6():
        return socket.create_server(
            ("", port), family=socket.AF_INET6, backlog=_BACKLOG, dualstack_ipv6=True
        )
    return socket.create_server(("", port), backlog=_BACKLOG)


class Server:
    """Serves an application on a socket until it is stopped."""

    def __init__(self, app: ASGIApp, sock: socket.socket) -> None:
        """Make a server that does not serve yet; connections wait in the socket's backlog."""
        self._socket = sock
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                http="h11",
                loop="asyncio",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=1,
                h11_max_incomplete_event_size=_MAX_HEADER_BYTES,
            )
        )
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [sock]}, name="web", daemon=True
        )

    @property
    def port(self) -> int:
        """The port that the socket is bound to."""
        port: int = self._socket.getsockname()[1]
        return port

    def start(self) -> None:
        """Serve in a thread of its own."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Answer what is under way, within so many seconds, and close the socket."""
        self._server.should_exit = True
        self._thread.join(timeout)
        self._socket.close()
