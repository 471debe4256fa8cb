"""What is kept between requests has its bounds: tokens of the rate limit, wrong passwords."""

import bcrypt
import pytest

from exporter.web.passwords import Passwords
from exporter.web.rate import Bucket
from tests.web.secured import hashed

REMEMBERED = 256


def test_tokens_do_not_pile_up_beyond_the_burst() -> None:
    """However long nobody asked: then so many at once, and the next has to wait for the rest."""
    now = 0.0
    bucket = Bucket(interval=2.0, burst=3, monotonic=lambda: now)
    assert [bucket.take() for _ in range(4)] == [0, 0, 0, 2.0]
    now = 1000.0
    assert [bucket.take() for _ in range(4)] == [0, 0, 0, 2.0]
    now = 1001.5
    assert bucket.take() == 0.5
    now = 1002.0
    assert [bucket.take() for _ in range(2)] == [0, 2.0]


@pytest.mark.parametrize("last", sorted("./AZaz09"))
def test_salts_that_bcrypt_would_not_write(last: str) -> None:
    """Go's bcrypt ignores the bits beyond the salt's 16 bytes, so such hashes work in a toolkit."""
    written = bcrypt.hashpw(b"right", b"$2b$04$" + b"." * 21 + _without_rest(last)).decode()
    passwords = Passwords({"a": written[:28] + last + written[29:]})
    assert passwords.check(b"a", b"right")
    assert not passwords.check(b"a", b"wrong")


def _without_rest(last: str) -> bytes:
    alphabet = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    first = alphabet.index(last.encode()) // 16 * 16
    return alphabet[first : first + 1]


def test_wrong_passwords_are_forgotten_the_oldest_first() -> None:
    """Strangers cannot make the exporter keep more."""
    passwords = Passwords({"a": hashed("right")})
    for number in range(REMEMBERED + 1):
        assert not passwords.check(b"a", b"%d" % number)
    assert passwords.remembered(b"a", b"0") is None
    assert passwords.remembered(b"a", b"1") is False
    assert passwords.remembered(b"a", b"right") is None


def test_once_the_right_password_is_known_every_other_is_wrong() -> None:
    """And nothing of those needs to be kept; a user that there is not has only wrong ones."""
    passwords = Passwords({"a": hashed("right")})
    assert passwords.remembered(b"a", b"right") is None
    assert passwords.check(b"a", b"right")
    assert passwords.remembered(b"a", b"right") is True
    assert passwords.remembered(b"a", b"other") is False
    assert passwords.remembered(b"b", b"right") is False
    assert not passwords.check(b"b", b"right")
