"""A fake AWS that costs little: one thread, epoll, ready answers, and no look at signatures.

Run as a process: `python -m benchmarks.endpoint SECONDS INVITATIONS`. It prints its port, and ends
with its standard input. Knows the few operations that the exporter calls.
"""

import contextlib
import json
import select
import socket
import sys
import time
from collections import deque
from datetime import UTC, datetime, timedelta

from benchmarks.sample import listed

COUNT_PATH = b"/-/count"
"""Where the endpoint tells how many requests it has answered and what they cost it."""

_END = b"\r\n\r\n"
_SESSION = (
    "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIAEXAMPLE</AccessKeyId>"
    "<SecretAccessKey>secret</SecretAccessKey><SessionToken>{token}</SessionToken>"
    "<Expiration>{expiration}</Expiration></Credentials></AssumeRoleResult>"
    "<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></AssumeRoleResponse>"
)
_NOBODY = (
    b"<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no</Message>"
    b"</Error><RequestId>r</RequestId></ErrorResponse>"
)
"""Of GetCallerIdentity: whose the credentials are stays open, whatever account is measured."""
_TOKEN_LENGTH = 700
"""Characters of a session token; real ones have from 300 to 1,000, and each call carries one."""


class Endpoint:
    """Answers each request on each connection after the same time."""

    def __init__(self, listener: socket.socket, latency: float, invitations: int) -> None:
        """Answer after `latency` seconds, each list with so many invitations."""
        self._listener, self._latency = listener, latency
        self._poll = select.epoll()
        self._connections: dict[int, socket.socket] = {}
        self._received: dict[int, bytes] = {}
        # The same latency for all: who came first is answered first, and no heap is needed.
        self._waiting: deque[tuple[float, int, bytes]] = deque()
        self._answered = 0
        self._list = _json({"invitations": listed(invitations)})
        self._session = _xml(_session())
        self._nobody = _http(403, "text/xml", _NOBODY)
        listener.setblocking(False)  # noqa: FBT003 -- socket's own signature
        self._poll.register(listener, select.EPOLLIN)
        self._poll.register(sys.stdin, select.EPOLLIN)

    def run(self) -> None:
        """Answer until standard input ends."""
        while True:
            for descriptor, _ in self._poll.poll(self._pause()):
                if descriptor == sys.stdin.fileno():
                    return
                if descriptor == self._listener.fileno():
                    self._accept()
                else:
                    self._read(descriptor)
            self._answer()

    def _pause(self) -> float | None:
        return max(self._waiting[0][0] - time.monotonic(), 0.0) if self._waiting else None

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                connection, _ = self._listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._connections[connection.fileno()] = connection
                self._poll.register(connection, select.EPOLLIN)

    def _read(self, descriptor: int) -> None:
        try:
            data = self._connections[descriptor].recv(65_536)
        except OSError:
            data = b""
        if not data:
            self._received.pop(descriptor, None)
            self._poll.unregister(descriptor)
            self._connections.pop(descriptor).close()
            return
        request = self._received.pop(descriptor, b"") + data
        if not _is_whole(request):
            self._received[descriptor] = request
        elif self._latency:
            due = time.monotonic() + self._latency
            self._waiting.append((due, descriptor, self._response(request)))
        else:
            self._send(descriptor, self._response(request))

    def _answer(self) -> None:
        now = time.monotonic()
        while self._waiting and self._waiting[0][0] <= now:
            _, descriptor, response = self._waiting.popleft()
            self._send(descriptor, response)

    def _send(self, descriptor: int, response: bytes) -> None:
        with contextlib.suppress(KeyError, OSError):
            self._connections[descriptor].sendall(response)

    def _response(self, request: bytes) -> bytes:
        if request.startswith(b"GET /invitations"):
            self._answered += 1
            return self._list
        if b"Action=AssumeRole&" in request:
            self._answered += 1
            return self._session
        if b"Action=GetCallerIdentity" in request:
            return self._nobody
        if request.startswith(b"GET " + COUNT_PATH):
            return _json({"requests": self._answered, "seconds": time.process_time()})
        return _http(404, "application/json", b"{}")


def _is_whole(request: bytes) -> bool:
    head = request.find(_END)
    if head < 0 or request.startswith(b"GET "):
        return head >= 0
    at = request.lower().find(b"content-length:", 0, head)
    length = int(request[at + 15 : request.index(b"\r\n", at)]) if at >= 0 else 0
    return len(request) >= head + len(_END) + length


def _session() -> str:
    expiration = datetime.now(UTC) + timedelta(hours=12)
    token = "t" * _TOKEN_LENGTH
    return _SESSION.format(token=token, expiration=f"{expiration:%Y-%m-%dT%H:%M:%SZ}")


def _json(value: object) -> bytes:
    return _http(200, "application/json", json.dumps(value).encode())


def _xml(text: str) -> bytes:
    return _http(200, "text/xml", text.encode())


def _http(status: int, content_type: str, body: bytes) -> bytes:
    """Return an answer with as many headers as AWS sends: reading them is part of a poll."""
    head = (
        f"HTTP/1.1 {status} OK\r\n"
        "Date: Mon, 23 Nov 2026 08:00:00 GMT\r\n"
        f"Content-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Connection: keep-alive\r\n"
        "x-amzn-RequestId: 0a1b2c3d-0000-1111-2222-333344445555\r\n"
        "x-amz-apigw-id: AbCdEfGhIjKlMnO=\r\n"
        "X-Amzn-Trace-Id: Root=1-65f0c0de-0123456789abcdef01234567\r\n"
        "\r\n"
    )
    return head.encode() + body


def main() -> None:
    """Listen on a free port of loopback, and say which."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        endpoint = Endpoint(listener, float(sys.argv[1]), int(sys.argv[2]))
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        endpoint.run()


if __name__ == "__main__":
    main()
