"""Raw bytes to the running daemon: soon an answer about the request, or an end; it serves on."""

import re
import socket
from collections.abc import Hashable, Iterator
from contextlib import ExitStack, contextmanager

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


def _request(line: str, *headers: str, body: str = "") -> bytes:
    return "\r\n".join([f"{line} HTTP/1.1", "Host: x", *headers, "", body]).encode()


TARGETS = (
    Target(
        "request",
        200,
        (
            _request("GET /metrics", "Accept: application/openmetrics-text;q=0.5, text/plain"),
            _request("GET /metrics", "Accept-Encoding: gzip;q=0.1, identity;q=0"),
            _request("GET /"),
            _request("GET /targets?state=failing&inviter=100000000000&status=Invited&label=a%3Db"),
            _request("GET /targets/100000000000/eu-west-1"),
            _request("GET /api/v1/targets?state=ok", "Accept: application/json"),
            _request("GET /config"),
            _request("HEAD /-/healthy"),
            _request("GET /-/ready"),
            _request("POST /-/reload", "Content-Length: 3", body="abc"),
            _request("POST /metrics", "Transfer-Encoding: chunked", body="3\r\nabc\r\n0\r\n\r\n"),
            _request("GET /a") + _request("GET /b") + _request("GET /-/healthy"),
            _request("OPTIONS *"),
            _request("GET http://x/metrics", "Expect: 100-continue"),
            _request("GET /metrics", "Connection: upgrade", "Upgrade: websocket"),
        ),
        (*dictionary("request"), b"x" * 5000, b"X-A: b\r\n" * 50),
        _daemon,
    ),
)
