"""Raw bytes to the running daemon: soon an answer about the request, or an end; it serves on."""

import re
import socket
from collections.abc import Hashable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests import fleets
from tests.embedded_aws.server import EmbeddedAws
from tests.embedded_aws.world import World
from tests.fuzz.engine import Case, Target, dictionary
from tests.processes import running

_SECONDS = 10.0
_STATUS = re.compile(rb"HTTP/1\.[01] (\d\d\d) ")
_SERVER_ERROR = 500
_NOT_OUR_VERSION = 505
"""Of the request's own making, for all its number: `HTTP/2.0` and the like (RFC 9110, 15.6.6)."""


@contextmanager
def _daemon() -> Iterator[Case]:
    with ExitStack() as stack:
        aws = stack.enter_context(EmbeddedAws(World(fleets.HUB, regions=fleets.REGIONS)))
        exporter = stack.enter_context(running(aws.environment(), ["--poll.interval=1h"]))
        exporter.wait_until_ready()
        address = ("127.0.0.1", exporter.port)

        def case(data: bytes) -> Hashable:
            statuses = [int(found) for found in _STATUS.findall(_asked(address, data))]
            failed = [status for status in statuses if status >= _SERVER_ERROR]
            assert set(failed) <= {_NOT_OUR_VERSION}, statuses
            # Lines may be read late: one of the cases just before is to blame then.
            assert "web_server_error" not in exporter.log, exporter.log
            return tuple(statuses[:4])

        yield case
        assert exporter.request("/metrics").status == 200
        assert exporter.stop() == 0
        assert "error" not in exporter.log


def _asked(address: tuple[str, int], data: bytes) -> bytes:
    """Send bytes and an end; give all that comes back until the other end. Raises TimeoutError."""
    with socket.create_connection(address, _SECONDS) as connection:
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(65536), b""))
        except TimeoutError:
            raise
        except OSError:
            return b""


_REQUESTS = Path(__file__).with_suffix(".http").read_text().split("---\n")

TARGETS = (
    Target(
        "request",
        200,
        [request.replace("\n", "\r\n").encode() for request in _REQUESTS],
        (*dictionary("request"), b"x" * 5000, b"X-A: b\r\n" * 50),
        _daemon,
    ),
)
