"""Strangers that guess passwords, or ask on and on: what is kept for them, and who is kept out."""

import asyncio
import select
import socket
from collections import Counter

import pytest

from exporter.web.passwords import CrowdedError, Passwords, Turns
from exporter.web.watcher import Bucket
from tests.loops import in_a_loop
from tests.processes import until
from tests.web.conftest import Connect, Secure
from tests.web.secured import basic, hashed

SLOW = 11
"""A cost of bcrypt that takes an eighth of a second: a crowd's takes long."""


def begun(sock: socket.socket) -> bytes:
    """Return the status of an answer that has come, without taking it."""
    return sock.recv(12, socket.MSG_PEEK)[-3:]


@pytest.mark.parametrize(("user", "source"), [("bob", "127.0.0.1"), ("alice", "127.0.0.2")])
def test_a_flood_of_wrong_passwords_keeps_nobody_waiting(
    secure: Secure, opened: Connect, user: str, source: str
) -> None:
    """As another user, or from another address: the right one waits for one guess of theirs.

    Once recognised it waits for none. Beyond those that may wait, no guess does.
    """
    alice, bob = hashed("wonder", SLOW), hashed("builder", SLOW)
    secured = secure(f"basic_auth_users: {{alice: {alice}, bob: {bob}}}")
    sockets = [opened(secured.port, source) for _ in range(140)]
    for attempt, sock in enumerate(sockets):
        value = basic(user, f"guess{attempt}")
        sock.sendall(f"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: {value}\r\n\r\n".encode())

    def answered() -> Counter[bytes]:
        return Counter(map(begun, select.select(sockets, [], [], 0)[0]))

    until(lambda: answered()[b"503"] > 0, "those that are too many")
    for _ in range(2):
        assert secured.admits("alice", "wonder")
    # The crowd has hardly had a turn by then.
    assert answered()[b"401"] < 70
    secured.server.stop(0)


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


def test_who_is_limited_costs_no_bcrypt(secure: Secure) -> None:
    """The limit goes before authentication, and counts guesses on every path."""
    secured = secure(
        f"rate_limit: {{interval: 1h, burst: 1}}\nbasic_auth_users: {{a: {hashed('b', SLOW)}}}"
    )
    assert not secured.admits("a", "c")
    right = {"Authorization": basic("a", "b")}
    assert [secured.get(path, **right).status for path in ("/", "/-/healthy")] == [429, 429]


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
    ("waiters", "room", "had", "went"),
    [
        ("a1 a2 a3 b1", 100, "a1 b1 a2 a3", ""),
        ("a1 a2 b1 b2 c1", 100, "a1 b1 c1 a2 b2", ""),
        ("a1 a2 a3", 2, "a1 a2", "a3"),
        ("a1 a2 b1", 2, "a1 b1", "a2"),
        ("a1 b1 c1", 2, "a1 b1", "c1"),
        ("a1 a2 b1 c1", 2, "a1 b1", "a2 c1"),
    ],
)
def test_clients_have_their_turn(waiters: str, room: int, had: str, went: str) -> None:
    """However many wait beside them as somebody else, or from somewhere else.

    Where too many wait, the last of whoever has the most makes room; and who comes, where nobody
    has more.
    """
    assert served(waiters, room) == (had, went)


@in_a_loop
async def test_who_comes_again_and_again_keeps_nobody_waiting() -> None:
    """Whoever has one that waits at any time has no turn twice before others have theirs."""
    had, turns = list[str](), Turns(100)

    async def wait(waiter: str, group: asyncio.TaskGroup) -> None:
        async with turns.turn(waiter):
            had.append(waiter)
            if waiter == "guesser" and len(had) < 50:
                group.create_task(wait(waiter, group))
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for waiter in ("guesser", "scraper", "scraper"):
            group.create_task(wait(waiter, group))
    assert had[:6].count("scraper") == 2


def test_tokens_do_not_pile_up_beyond_the_burst() -> None:
    """However long nobody asked: then so many at once, and the next has to wait for the rest."""
    bucket = Bucket(interval=2.0, burst=3)
    for start in (0.0, 1000.0):
        assert [bucket.take(start) for _ in range(4)] == [0, 0, 0, 2.0]
    assert bucket.take(1001.5) == 0.5
    assert [bucket.take(1002.0) for _ in range(2)] == [0, 2.0]
    many = Bucket(interval=0.1, burst=1000)
    assert [many.take(12345.678) for _ in range(1001)] == [*[0] * 1000, 0.1]
