"""Answers under way: sent as clients take them, and bounded in what they hold together.

An answer holds its text until the client has taken it. What the exposition still has costs nothing
more; what has been rendered anew since is kept for slow clients alone, and each may have asked at
another time. Knows nothing of sockets.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

CHUNK = 64 * 1024
"""Bytes that are handed to the socket together: each client that does not read keeps so many."""


class Answer:
    """What is left to send of one answer."""

    def __init__(self, pieces: Sequence[bytes], drop: Callable[[], object]) -> None:
        """Have everything left; `drop` ends the connection."""
        self.left, self.drop = deque(pieces), drop
        self.size = sum(map(len, pieces))
        self.taken = 0
        """Bytes that the client has taken, to within a chunk or two."""

    def chunks(self) -> Iterator[bytes]:
        """Return what is left in chunks; who asks for the next has found room for the last."""
        at = 0
        while self.left:
            parts, size = [], 0
            # Small pieces are joined and large ones cut: what waits for a socket is a copy.
            while self.left and size < CHUNK:
                part = memoryview(self.left[0])[at : at + CHUNK - size]
                parts.append(part)
                size, at = size + len(part), at + len(part)
                if at == len(self.left[0]):
                    self.left.popleft()
                    at = 0
            yield b"".join(parts)
            self.taken += size


class UnderWay:
    """The answers that are being sent, on all connections."""

    def __init__(self, most_bytes: int) -> None:
        """Let answers hold so many bytes beside the newest, or one answer if that is larger."""
        self._most = most_bytes
        self._answers: dict[Answer, None] = {}

    def begin(self, newest: Answer) -> None:
        """Take an answer on.

        It may be what makes others hold too much, which then go: who has taken least first, and of
        those alike the oldest.
        """
        self._answers[newest] = None
        current = _by_identity([newest])
        most = max(self._most, *(each.size for each in self._answers))
        for answer in sorted(self._answers, key=lambda each: each.taken):
            held = _by_identity(self._answers).items() - current.items()
            if sum(size for _, size in held) <= most:
                return
            if any(id(piece) not in current for piece in answer.left):
                self.end(answer)
                answer.drop()

    def end(self, answer: Answer) -> None:
        """Let go of all that an answer still holds."""
        self._answers.pop(answer, None)
        answer.left.clear()


def _by_identity(answers: Iterable[Answer]) -> dict[int, int]:
    """Return the sizes of all pieces that answers hold: several hold the same ones."""
    return {id(piece): len(piece) for answer in answers for piece in answer.left}


UNDER_WAY = "under_way"
"""Where the server puts what takes an answer on for a connection, in the scope's state."""


class Sent(Response):
    """An answer that is there, sent as the client takes it."""

    def __init__(self, pieces: Sequence[bytes], status: int, headers: Mapping[str, str]) -> None:
        """Send pieces, one after the other, under a length that is known before."""
        size = str(sum(map(len, pieces)))
        super().__init__(None, status, {**headers, "content-length": size})
        self._pieces = pieces

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        """Send it. The pieces are handed on: held here they would stay until the last is sent."""
        pieces, self._pieces = self._pieces, ()
        under_way, drop = scope["state"][UNDER_WAY]
        answer = Answer(pieces if scope["method"] != "HEAD" else (), drop)
        del pieces
        under_way.begin(answer)
        start = {"type": "http.response.start", "status": self.status_code}
        try:
            await send({**start, "headers": self.raw_headers})
            for chunk in answer.chunks():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            under_way.end(answer)
