"""Passwords against bcrypt hashes: compared once each, remembered, and compared in turn."""

import asyncio
import contextlib
import hashlib
import hmac
import os
from collections import deque
from collections.abc import AsyncIterator, Hashable, Mapping

_LONGEST = 72
"""Bytes that bcrypt looks at; what made the hash has cut the rest off too."""


class Passwords:
    """The users, and who has been recognised.

    What is remembered is a keyed hash that nobody outside the process can make: no password.
    """

    def __init__(self, users: Mapping[str, str], before: "Passwords | None" = None) -> None:
        """Take bcrypt hashes by user; what was known before of users with the same hash goes on."""
        self._hashes = {name.encode(): text.encode() for name, text in users.items()}
        self._key, self._right = os.urandom(32), dict[bytes, bytes]()
        if before:
            self._key = before._key  # noqa: SLF001 -- of its own kind
            known, hashes = before._right, before._hashes  # noqa: SLF001 -- likewise
            same = (user for user in known if hashes[user] == self._hashes.get(user))
            self._right = {user: known[user] for user in same}
        # What unknown users are compared with: nobody's mark is that.
        self._nobody = os.urandom(32)

    def __len__(self) -> int:
        """Return how many users there are."""
        return len(self._hashes)

    def remembered(self, user: bytes, password: bytes) -> bool | None:
        """Return whether these belong together, as far as that needs no bcrypt; None where it does.

        It needs none for unknown users, and for those whose right password has been given: every
        other one is wrong. Both take the same time.
        """
        mark = self._mark(user, password)
        right = self._right.get(user) if user in self._hashes else self._nobody
        if b"\0" in password:
            # No password has one (RFC 7617), and bcrypt takes it for the end that it adds itself:
            # with "a" it takes "a\0a" too, which would be the one that is remembered.
            return False
        return hmac.compare_digest(right, mark) if right else None

    def check(self, user: bytes, password: bytes) -> bool:
        """Return whether user and password belong together. Takes as long as bcrypt does."""
        # Only here: a start without users need not load it.
        import bcrypt  # noqa: PLC0415

        hashed = self._hashes.get(user)
        if hashed is None or not bcrypt.checkpw(password[:_LONGEST], hashed):
            return False
        self._right[user] = self._mark(user, password)
        return True

    def _mark(self, user: bytes, password: bytes) -> bytes:
        # A length in front, or "a" with "bc" would be "ab" with "c".
        text = len(user).to_bytes(8) + user + password[:_LONGEST]
        return hmac.digest(self._key, text, hashlib.sha256)


class CrowdedError(Exception):
    """Too many wait, and this one is the one to go."""


class Turns:
    """One comparison at a time, and in each round one of each client; in one event loop.

    Nobody's place depends on how many requests a stranger sends. Those of one client, whom nothing
    tells apart, come in their order.
    """

    def __init__(self, room: int) -> None:
        """Let so many wait."""
        self._room, self._taken = room, False
        self._waiting: dict[Hashable, deque[asyncio.Future[bool]]] = {}
        """Of each client, whose turn is next first; each is told whether to go in or to go."""

    @contextlib.asynccontextmanager
    async def turn(self, client: Hashable) -> AsyncIterator[None]:
        """Wait for the client's turn, and have it until the block ends.

        Raises CrowdedError where too many wait, and no client has more that do.
        """
        if self._taken and not await self._wait(client):
            raise CrowdedError
        self._taken = True
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, client: Hashable) -> bool:
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(client, deque()).append(turn)
        if sum(map(len, self._waiting.values())) > self._room:
            # Of clients that have as many, the one that came last.
            last = max(reversed(self._waiting.values()), key=len).pop()
            if not last.done():
                last.set_result(False)
        try:
            return await turn
        except asyncio.CancelledError:
            if not turn.cancelled() and turn.result():
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        while self._waiting:
            client = next(iter(self._waiting))
            turns = self._waiting.pop(client)
            turn = turns.popleft() if turns else None
            if turns:
                # After the others: their turn comes first.
                self._waiting[client] = turns
            if turn and not turn.done():
                turn.set_result(True)
                return
        self._taken = False
