"""Passwords against bcrypt hashes: the same work for whoever asks, and none for who is known."""

import hashlib
import hmac
import os
from collections import OrderedDict
from collections.abc import Mapping

_LONGEST = 72
"""Bytes that bcrypt looks at; what made the hash has cut the rest off too."""

_ALPHABET = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_END_OF_SALT = 28
"""Where its last character is: two bits of it count, and the other four have to be 0."""

_MOST_WRONG = 256
"""How many wrong passwords are remembered, so that a scrape that has one costs no bcrypt each."""


class Passwords:
    """The users, and who has been recognised.

    What is remembered is a keyed hash that nobody outside the process can make: no password.
    """

    def __init__(self, users: Mapping[str, str]) -> None:
        """Take bcrypt hashes by user."""
        self._hashes = {name.encode(): _strict(hashed.encode()) for name, hashed in users.items()}
        costs = [hashed[4:6] for hashed in self._hashes.values()]
        # What unknown users are compared with: the same work, and no password is known for it.
        self._nobody = b"$2b$" + max(costs) + b"$" + b"." * 53
        self._secret = os.urandom(32)
        self._right: dict[bytes, bytes] = {}
        self._wrong: OrderedDict[bytes, None] = OrderedDict()

    def __len__(self) -> int:
        """Give how many users there are."""
        return len(self._hashes)

    def remembered(self, user: bytes, password: bytes) -> bool | None:
        """Tell whether these were right when they were last tried; None where they never were."""
        mark = self._mark(user, password)
        if hmac.compare_digest(self._right.get(user, b""), mark):
            return True
        return False if mark in self._wrong else None

    def check(self, user: bytes, password: bytes) -> bool:
        """Tell whether user and password belong together. Takes as long as bcrypt does."""
        # Only here: a start without users need not load it.
        import bcrypt  # noqa: PLC0415

        hashed = self._hashes.get(user, self._nobody)
        right = bcrypt.checkpw(password[:_LONGEST], hashed) and user in self._hashes
        self._remember(user, self._mark(user, password), right=right)
        return right

    def _mark(self, user: bytes, password: bytes) -> bytes:
        # A length in front, or "a" with "bc" would be "ab" with "c".
        text = len(user).to_bytes(8) + user + password
        return hmac.digest(self._secret, text, hashlib.sha256)

    def _remember(self, user: bytes, mark: bytes, *, right: bool) -> None:
        if right:
            self._right[user] = mark
            return
        self._wrong[mark] = None
        if len(self._wrong) > _MOST_WRONG:
            self._wrong.popitem(last=False)


def _strict(hashed: bytes) -> bytes:
    """Clear the bits that the toolkit's bcrypt (Go's) ignores, and that ours would refuse."""
    last = hashed[_END_OF_SALT : _END_OF_SALT + 1]
    at = _ALPHABET.index(last) & 0b110000
    return hashed[:_END_OF_SALT] + _ALPHABET[at : at + 1] + hashed[_END_OF_SALT + 1 :]
