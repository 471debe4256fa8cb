"""Strangers that guess passwords, or ask on and on: what is kept for them, and who is kept out."""

import asyncio
import time

import pytest

from exporter.web.passwords import CrowdedError, Passwords, Turns
from exporter.web.watcher import Bucket
from tests.processes import Answer
from tests.web.conftest import Secure
from tests.web.secured import Secured, basic, hashed
from tests.web.serving import Client, crowd

SCRAPE_SECONDS = 10.0
"""What Prometheus waits for an answer, unless it is told otherwise."""

CROWD = 100
QUICK = 5
"""A cost of bcrypt whose comparisons, a hundred of them, take a second on a busy machine."""


def file_of(**hashes: str) -> str:
    """Write a web file with users."""
    return "basic_auth_users:\n" + "".join(f"  {name}: {text}\n" for name, text in hashes.items())


CROWDS = {
    "as nobody there is": ("nobody", "127.0.0.1"),
    "as somebody else": ("bob", "127.0.0.1"),
    "from another address": ("alice", "127.0.0.2"),
    "from the same address": ("alice", "127.0.0.1"),
}


@pytest.mark.parametrize("who", CROWDS)
def test_a_first_right_password_is_answered_in_time(secure: Secure, who: str) -> None:
    """While a hundred guess, after each change of its hash; then it costs nothing more."""
    secured = secure(file_of(alice=hashed("right", QUICK), bob=hashed("other", QUICK)))
    user, address = CROWDS[who]
    strangers = Client(secured.port, source=address)

    def guess(number: int) -> Answer:
        return strangers("/", Authorization=basic(user, f"guess {number}"))

    with crowd(guess, CROWD):
        for _ in range(3):
            start = time.monotonic()
            assert asked(secured, "alice", "right") == 200
            assert time.monotonic() - start < SCRAPE_SECONDS
            secured.write(file_of(alice=hashed("right", QUICK), bob=hashed("b", QUICK)))
            secured.look()


def asked(secured: Secured, user: str, password: str) -> int:
    """Ask as a user; return the status."""
    return secured.get(Authorization=basic(user, password)).status


def test_what_needs_no_bcrypt() -> None:
    """Unknown users, and whatever is said once the right password has been given: right or wrong.

    So time does not tell who there is, and a scrape costs nothing.
    """
    passwords = Passwords({"alice": hashed("right"), "bob": hashed("right")})
    assert passwords.remembered(b"nobody", b"right") is False
    assert passwords.remembered(b"alice", b"right") is None
    assert not passwords.check(b"alice", b"wrong")
    assert passwords.remembered(b"alice", b"wrong") is None
    assert passwords.check(b"alice", b"right")
    assert passwords.remembered(b"alice", b"right") is True
    assert passwords.remembered(b"alice", b"wrong") is False
    assert passwords.remembered(b"bob", b"right") is None


def test_what_is_remembered_stays_with_the_hash(secure: Secure) -> None:
    """A comment or another user changes nothing; with a new hash the old password is none."""
    alice = hashed("right")
    secured = secure(file_of(alice=alice))
    assert asked(secured, "alice", "right") == 200
    for text in ("# a comment\n" + file_of(alice=alice), file_of(alice=alice, bob=hashed("b"))):
        secured.write(text)
        secured.look()
        passwords = secured.watcher.rules().passwords
        assert passwords
        assert passwords.remembered(b"alice", b"right") is True
        assert passwords.remembered(b"alice", b"wrong") is False
    secured.write(file_of(alice=hashed("new")))
    secured.look()
    assert [asked(secured, "alice", word) for word in ("right", "new")] == [401, 200]


def test_a_password_with_an_end_in_it_is_none(secure: Secure) -> None:
    """Bcrypt takes it for the one before: who gave it first would keep out who gives that."""
    secured = secure(file_of(alice=hashed("right")))
    assert asked(secured, "alice", "right\0right") == 401
    assert asked(secured, "alice", "right") == 200


def served(waiters: str, room: int = 100) -> tuple[str, str]:
    """Return in which order some get their turn, who come while somebody has it, and who does not.

    Each is two characters: the client, and a number.
    """
    had, went = list[str](), list[str]()

    async def wait(turns: Turns, waiter: str) -> None:
        try:
            async with turns.turn(waiter[0]):
                had.append(waiter)
                await asyncio.sleep(0)
        except CrowdedError:
            went.append(waiter)

    async def everybody() -> None:
        turns = Turns(room)
        async with asyncio.TaskGroup() as group, turns.turn("first"):
            for waiter in waiters.split():
                group.create_task(wait(turns, waiter))
                await asyncio.sleep(0)
            assert not had

    asyncio.run(everybody())
    return " ".join(had), " ".join(went)


@pytest.mark.parametrize(
    ("waiters", "order"),
    [
        ("a1 a2 a3 b1", "a1 b1 a2 a3"),
        ("a1 a2 b1 b2 c1", "a1 b1 c1 a2 b2"),
    ],
)
def test_clients_have_their_turn(waiters: str, order: str) -> None:
    """However many wait beside them as somebody else, or from somewhere else."""
    assert served(waiters) == (order, "")


def test_who_comes_again_and_again_keeps_nobody_waiting() -> None:
    """Whoever has one that waits at any time has no turn twice before others have theirs."""
    had = list[str]()

    async def wait(turns: Turns, waiter: str, group: asyncio.TaskGroup) -> None:
        async with turns.turn(waiter):
            had.append(waiter)
            if waiter == "guesser" and len(had) < 50:
                group.create_task(wait(turns, waiter, group))
            await asyncio.sleep(0)

    async def everybody() -> None:
        turns = Turns(100)
        async with asyncio.TaskGroup() as group:
            for waiter in ("guesser", "scraper", "scraper"):
                group.create_task(wait(turns, waiter, group))

    asyncio.run(everybody())
    assert had[:6].count("scraper") == 2


@pytest.mark.parametrize(
    ("waiters", "went"),
    [("a1 a2 a3", "a3"), ("a1 a2 b1", "a2"), ("a1 b1 c1", "c1"), ("a1 a2 b1 c1", "a2 c1")],
)
def test_whoever_has_most_that_wait_makes_room(waiters: str, went: str) -> None:
    """The last of them; and who comes, where nobody has more."""
    assert served(waiters, room=2)[1] == went


def test_tokens_do_not_pile_up_beyond_the_burst() -> None:
    """However long nobody asked: then so many at once, and the next has to wait for the rest."""
    bucket = Bucket(interval=2.0, burst=3)
    for start in (0.0, 1000.0):
        assert [bucket.take(start) for _ in range(4)] == [0, 0, 0, 2.0]
    assert bucket.take(1001.5) == 0.5
    assert [bucket.take(1002.0) for _ in range(2)] == [0, 2.0]
    many = Bucket(interval=0.1, burst=1000)
    assert [many.take(12345.678) for _ in range(1001)] == [*[0] * 1000, 0.1]
