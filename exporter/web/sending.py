"""Answers under way: sent as clients take them, and bounded in what they hold together.

An answer holds its text until the client has taken it. What the exposition still has costs nothing
more; what has been rendered anew since is kept for slow clients alone, and each may have asked at
another time. Knows nothing of sockets.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

CHUNK = 64 * 1024
"""Bytes that are handed to the socket together: each client that does not read keeps so many."""


class UnderWay:
    """The answers that are being sent, on all connections. Of one thread alone."""

    def __init__(self, most_bytes: int) -> None:
        """Let answers hold so many bytes beside the newest, or one answer if that is larger."""
        self._most = most_bytes
        self._answers: dict[Answer, None] = {}
        self._holders: Counter[int] = Counter()
        self._bytes = 0

    def begin(self, pieces: Sequence[bytes], drop: Callable[[], object]) -> "Answer":
        """Take an answer on; where it has to make room for others, it is ended and `drop` called.

        A newer rendering may be what makes others hold too much: who has taken least goes first,
        and of those alike the oldest.
        """
        newest = Answer(self, pieces, drop)
        self._answers[newest] = None
        for piece in newest.left:
            self._hold(piece)
        self._make_room(newest)
        return newest

    def end(self, answer: "Answer") -> None:
        """Let go of all that an answer still holds."""
        if answer in self._answers:
            del self._answers[answer]
            while answer.left:
                self.release(answer.left.popleft())

    def release(self, piece: bytes) -> None:
        """Note that an answer no longer holds a piece."""
        self._holders[id(piece)] -= 1
        if not self._holders[id(piece)]:
            del self._holders[id(piece)]
            self._bytes -= len(piece)

    def _hold(self, piece: bytes) -> None:
        if not self._holders[id(piece)]:
            self._bytes += len(piece)
        self._holders[id(piece)] += 1

    def _make_room(self, newest: "Answer") -> None:
        current = {id(piece): len(piece) for piece in newest.left}
        most = sum(current.values()) + max(self._most, *(each.size for each in self._answers))
        if self._bytes <= most:
            return
        for answer in sorted(self._answers, key=lambda each: each.taken):
            if any(id(piece) not in current for piece in answer.left):
                self.end(answer)
                answer.drop()
                if self._bytes <= most:
                    return


class Answer:
    """What is left to send of one answer."""

    def __init__(
        self, under_way: UnderWay, pieces: Sequence[bytes], drop: Callable[[], object]
    ) -> None:
        """Have everything left."""
        self._under_way, self.drop = under_way, drop
        self.left = deque(pieces)
        self.size = sum(map(len, pieces))
        self.taken = 0
        """Bytes that the client has taken, to within a chunk or two."""
        self._at = 0

    def chunks(self) -> Iterator[bytes]:
        """Give what is left in chunks; who asks for the next has found room for the last."""
        while self.left:
            chunk = self._chunk()
            yield chunk
            self.taken += len(chunk)

    def _chunk(self) -> bytes:
        """Join small pieces, and cut large ones: what waits for a socket is a copy."""
        parts = []
        size = 0
        while self.left and size < CHUNK:
            piece = self.left[0]
            part = memoryview(piece)[self._at : self._at + CHUNK - size]
            parts.append(part)
            size += len(part)
            self._at += len(part)
            if self._at == len(piece):
                self._at = 0
                self._under_way.release(self.left.popleft())
        return b"".join(parts)

    def end(self) -> None:
        """Let go of what is left."""
        self._under_way.end(self)


Begin = Callable[[Sequence[bytes]], Answer]
"""Takes an answer on, for one connection."""

BEGIN = "begin"
"""Where the server puts its connection's `Begin`, in the scope's state."""


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
        start = {"type": "http.response.start", "status": self.status_code}
        begin: Begin = scope["state"][BEGIN]
        answer = begin(pieces if scope["method"] != "HEAD" else ())
        del pieces
        try:
            await send({**start, "headers": self.raw_headers})
            for chunk in answer.chunks():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            answer.end()
