"""What is kept between requests has its bounds: tokens of the rate limit, wrong passwords."""

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


def test_wrong_passwords_are_forgotten_the_oldest_first() -> None:
    """Strangers cannot make the exporter keep more; who is known stays so."""
    passwords = Passwords({"a": hashed("right")})
    assert passwords.check(b"a", b"right")
    for number in range(REMEMBERED + 1):
        assert not passwords.check(b"a", b"%d" % number)
    assert passwords.remembered(b"a", b"0") is None
    assert passwords.remembered(b"a", b"1") is False
    assert passwords.remembered(b"a", b"right") is True
