"""Passwords against bcrypt hashes: compared once, and remembered for as long as the hash stays."""

import hashlib
import hmac
import os
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

_LONGEST = 72
"""Bytes that bcrypt looks at; what made the hash has cut the rest off too."""

_ALPHABET = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_END_OF_SALT = 28
"""Where its last character is: two bits of it count, and the other four have to be 0."""

_MOST_WRONG = 256
"""How many wrong passwords of a user are remembered, so that a scrape that has one costs no bcrypt
each.
"""


@dataclass(slots=True)
class _User:
    """A hash, and what is remembered of those who were compared with it."""

    hashed: bytes
    right: bytes = b""
    """The mark of the right password; empty as long as nobody has given it."""
    wrong: OrderedDict[bytes, None] = field(default_factory=OrderedDict)


@dataclass(frozen=True, slots=True)
class Memory:
    """Who has been recognised, by user, and the key of the marks that are remembered."""

    users: Mapping[bytes, _User] = field(default_factory=dict)
    key: bytes = field(default_factory=lambda: os.urandom(32))


class Passwords:
    """The users, and who has been recognised.

    What is remembered is a keyed hash that nobody outside the process can make: no password.
    """

    def __init__(self, users: Mapping[str, str], memory: Memory | None = None) -> None:
        """Take bcrypt hashes by user; what is remembered of users with the same hash goes on."""
        memory = memory or Memory()
        self._users = {
            name.encode(): _kept(memory.users.get(name.encode()), _strict(hashed.encode()))
            for name, hashed in users.items()
        }
        self.memory = Memory(self._users, memory.key)
        # What unknown users are compared with: nobody's mark is that.
        self._nobody = _User(b"", right=os.urandom(32))

    def __len__(self) -> int:
        """Give how many users there are."""
        return len(self._users)

    def remembered(self, user: bytes, password: bytes) -> bool | None:
        """Tell whether these belong together, as far as that needs no bcrypt; None where it does.

        It needs none for unknown users, and for those whose right password has been given: every
        other one is wrong. Both take the same time.
        """
        mark = self._mark(user, password)
        known = self._users.get(user, self._nobody)
        if b"\0" in password:
            # No password has one (RFC 7617), and bcrypt takes it for the end that it adds itself:
            # with "a" it takes "a\0a" too, which would be the one that is remembered.
            return False
        if known.right:
            return hmac.compare_digest(known.right, mark)
        return False if mark in known.wrong else None

    def check(self, user: bytes, password: bytes) -> bool:
        """Tell whether user and password belong together. Takes as long as bcrypt does."""
        # Only here: a start without users need not load it.
        import bcrypt  # noqa: PLC0415

        known = self._users.get(user)
        if known is None:
            return False
        right = bcrypt.checkpw(password[:_LONGEST], known.hashed)
        _remember(known, self._mark(user, password), right=right)
        return right

    def _mark(self, user: bytes, password: bytes) -> bytes:
        # A length in front, or "a" with "bc" would be "ab" with "c".
        text = len(user).to_bytes(8) + user + password[:_LONGEST]
        return hmac.digest(self.memory.key, text, hashlib.sha256)


def _kept(known: _User | None, hashed: bytes) -> _User:
    return known if known and known.hashed == hashed else _User(hashed)


def _remember(user: _User, mark: bytes, *, right: bool) -> None:
    if right:
        user.right = mark
        return
    user.wrong[mark] = None
    if len(user.wrong) > _MOST_WRONG:
        user.wrong.popitem(last=False)


def _strict(hashed: bytes) -> bytes:
    """Clear the bits that the toolkit's bcrypt (Go's) ignores, and that ours would refuse."""
    last = hashed[_END_OF_SALT : _END_OF_SALT + 1]
    at = _ALPHABET.index(last) & 0b110000
    return hashed[:_END_OF_SALT] + _ALPHABET[at : at + 1] + hashed[_END_OF_SALT + 1 :]
