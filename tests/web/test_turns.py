"""Turns at something that one has at a time: each user's, each address's, in their order."""

import asyncio

import pytest

from exporter.web.turns import CrowdedError, Turns

A, B, C = "10.0.0.1", "10.0.0.2", "10.0.0.3"


def served(waiters: str, room: int = 100) -> tuple[str, str]:
    """Give in which order some get their turn, who come while somebody has it, and who does not.

    Each is three characters: the user, the address, and a number.
    """
    had, went = list[str](), list[str]()

    async def wait(turns: Turns, waiter: str) -> None:
        try:
            async with turns.turn(waiter[0].encode(), waiter[1]):
                had.append(waiter)
                await asyncio.sleep(0)
        except CrowdedError:
            went.append(waiter)

    async def everybody() -> None:
        turns = Turns(room)
        async with asyncio.TaskGroup() as group, turns.turn(b"first", ""):
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
        ("aX1 aX2 aX3", "aX1 aX2 aX3"),
        ("aX1 aX2 aX3 aY1", "aX1 aY1 aX2 aX3"),
        ("aX1 aX2 aY1 aZ1 bX1 bX2", "aX1 bX1 aY1 bX2 aZ1 aX2"),
    ],
)
def test_users_and_then_addresses_have_their_turn(waiters: str, order: str) -> None:
    """However many wait beside them as somebody else, or from somewhere else."""
    assert served(waiters) == (order, "")


@pytest.mark.parametrize(
    ("waiters", "went"),
    [
        ("aX1 aX2 aX3", "aX3"),
        ("aX1 aX2 aY1", "aX2"),
        ("aX1 aY1 aZ1", "aZ1"),
        ("aX1 aX2 bX1", "aX2"),
        ("aX1 aY1 bX1", "aX1"),
        ("aX1 bX1 cX1", "cX1"),
        ("aX1 bX1 bY1", "bY1"),
    ],
)
def test_whoever_has_most_that_wait_makes_room(waiters: str, went: str) -> None:
    """The last of them; and who comes, where nobody has more."""
    assert served(waiters, room=2)[1] == went


def test_who_goes_while_it_waits_holds_nobody_up() -> None:
    """Nor does who goes at the moment that it gets the turn."""

    async def passes() -> bool:
        turns = Turns(10)

        async def wait() -> None:
            async with turns.turn(b"a", ""):
                pass

        async with turns.turn(b"first", ""):
            early, late, last = (asyncio.create_task(wait()) for _ in range(3))
            await asyncio.sleep(0)
            early.cancel()
            await asyncio.sleep(0)
        late.cancel()
        await asyncio.wait_for(last, 5)
        return early.cancelled() and late.cancelled()

    assert asyncio.run(passes())
