"""The listening socket, and what to do where its address cannot be had."""

import os
import socket

_BACKLOG = 1024
_SEND_BUFFER_BYTES = 4 * 1024 * 1024
"""As much as the system allows: whatever does not fit waits for the event loop to come round."""


class AddressInUseError(Exception):
    """The listening address cannot be had; the message says why."""


def listen(host: str, port: int) -> socket.socket:
    """Bind the listening socket; an empty host means every interface, of IPv6 and IPv4.

    Raises AddressInUseError.
    """
    try:
        sock = _one_interface(host, port) if host else _every_interface(port)
    except (OSError, UnicodeError) as error:
        shown = f"[{host}]" if ":" in host else host
        text = f"cannot listen on {shown}:{port}: {_reason(error)}: set another web.listen_address"
        raise AddressInUseError(text) from error
    # Those that it accepts inherit it.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
    return sock


def _reason(error: OSError | UnicodeError) -> str:
    if isinstance(error, UnicodeError | socket.gaierror):
        return "the host name cannot be resolved"
    # Not error.strerror: create_server has added the address to it, as Python writes it.
    return os.strerror(error.errno or 0)


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
