"""Passwords against bcrypt hashes: compared once each, remembered, and compared in turn."""

import asyncio
import contextlib
import hashlib
import hmac
import os
from collections.abc import AsyncIterator, Hashable, Mapping

_LONGEST = 72
"""Bytes that bcrypt looks at; what made the hash has cut the rest off too."""

_NOBODYS = bytes(60)
"""In place of an unknown user's hash, and as long as one."""


class Passwords:
    """The users, and who has been recognised.

    What is remembered is a keyed hash that nobody outside the process can make: no password.
    """

    def __init__(self, users: Mapping[str, str], before: "Passwords | None" = None) -> None:
        """Take bcrypt hashes by user; what was right for the same hash before is remembered."""
        self._hashes = {name.encode(): text.encode() for name, text in users.items()}
        self._key, self._right = os.urandom(32), {_NOBODYS: os.urandom(32)}
        if before:
            self._key, known = before._key, before._right  # noqa: SLF001 -- of its own kind
            self._right |= {each: known[each] for each in self._hashes.values() if each in known}

    def remembered(self, user: bytes, password: bytes) -> bool | None:
        """Return whether these belong together, as far as that needs no bcrypt; None where it does.

        It needs none for unknown users, and for those whose right password has been given: every
        other one is wrong. Both take the same time.
        """
        hashed = self._hashes.get(user, _NOBODYS)
        right, mark = self._right.get(hashed), self._mark(hashed, password)
        if b"\0" in password:
            # No password has one (RFC 7617), and bcrypt takes it for the end that it adds itself:
            # with "a" it takes "a\0a" too, which would be the one that is remembered.
            return False
        return hmac.compare_digest(right, mark) if right else None

    def check(self, user: bytes, password: bytes) -> bool:
        """Return whether a user, whom there is, has this password; takes as long as bcrypt does."""
        # Only here: a start without users need not load it.
        import bcrypt  # noqa: PLC0415

        hashed = self._hashes[user]
        if not bcrypt.checkpw(password[:_LONGEST], hashed):
            return False
        self._right[hashed] = self._mark(hashed, password)
        return True

    def _mark(self, hashed: bytes, password: bytes) -> bytes:
        return hmac.digest(self._key, hashed + password[:_LONGEST], hashlib.sha256)


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
        self._waiting: dict[Hashable, list[asyncio.Future[None]]] = {}
        """What each client waits for; whose turn is next comes first."""

    @contextlib.asynccontextmanager
    async def turn(self, client: Hashable) -> AsyncIterator[None]:
        """Wait for the client's turn, and have it until the block ends.

        Raises CrowdedError where too many wait, and no client has more that do.
        """
        if self._taken:
            await self._wait(client)
        self._taken = True
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, client: Hashable) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(client, []).append(turn)
        if sum(map(len, self._waiting.values())) > self._room:
            # Of clients that have as many, the one that came last.
            max(reversed(self._waiting.values()), key=len).pop().set_exception(CrowdedError)
        await turn

    def _pass_on(self) -> None:
        self._taken = False
        while self._waiting and not self._taken:
            client = next(iter(self._waiting))
            turns = self._waiting.pop(client)
            if turns[1:]:
                # After all others: a round in which who comes has a turn at once would never end.
                self._waiting[client] = turns[1:]
            # The server's stop cancels those who wait.
            if turns and not turns[0].done():
                turns[0].set_result(None)
                self._taken = True
