"""What is kept between requests has its bounds: tokens, and who waits for bcrypt."""

import asyncio

import pytest

from exporter.web.passwords import CrowdedError, Passwords, Turns
from exporter.web.rules import Bucket
from tests.web.secured import hashed


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
        ("", ""),
        ("a1 a2 a3", "a1 a2 a3"),
        ("a1 a2 a3 b1", "a1 b1 a2 a3"),
        ("a1 a2 b1 b2 c1", "a1 b1 c1 a2 b2"),
    ],
)
def test_clients_have_their_turn(waiters: str, order: str) -> None:
    """However many wait beside them as somebody else, or from somewhere else."""
    assert served(waiters) == (order, "")


@pytest.mark.parametrize(
    ("waiters", "went"),
    [("a1 a2 a3", "a3"), ("a1 a2 b1", "a2"), ("a1 b1 c1", "c1"), ("a1 a2 b1 c1", "a2 c1")],
)
def test_whoever_has_most_that_wait_makes_room(waiters: str, went: str) -> None:
    """The last of them; and who comes, where nobody has more."""
    assert served(waiters, room=2)[1] == went


def test_who_goes_while_it_waits_holds_nobody_up() -> None:
    """Nor does who goes at the moment that it gets the turn."""

    async def passes() -> bool:
        turns = Turns(10)

        async def wait() -> None:
            async with turns.turn("a"):
                pass

        async with turns.turn("first"):
            early, late, last = (asyncio.create_task(wait()) for _ in range(3))
            await asyncio.sleep(0)
            early.cancel()
            await asyncio.sleep(0)
        late.cancel()
        await asyncio.wait_for(last, 5)
        return early.cancelled() and late.cancelled()

    assert asyncio.run(passes())
