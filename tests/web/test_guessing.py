"""Strangers that guess passwords keep nobody out whose password is right, whatever they try."""

import asyncio
import http.client
import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import pytest

from tests.processes import until
from tests.web.conftest import Secure
from tests.web.secured import Secured, basic, hashed

SCRAPE_SECONDS = 10.0
"""What Prometheus waits for an answer, unless it is told otherwise."""

CROWD = 100
QUICK = 5
"""A cost of bcrypt whose comparisons, a hundred of them, take a second on a busy machine."""


def file_of(**hashes: str) -> str:
    """Write a web file with users."""
    return "basic_auth_users:\n" + "".join(f"  {name}: {text}\n" for name, text in hashes.items())


@contextmanager
def guessing(secured: Secured, user: str, address: str) -> Iterator[None]:
    """Have a crowd guess on and on, each anew after its answer."""
    loop, numbers, answers = asyncio.new_event_loop(), itertools.count(), list[bytes]()

    async def guess() -> None:
        while True:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", secured.port, local_addr=(address, 0)
            )
            with closing(writer.transport):
                value = basic(user, f"guess {next(numbers)}")
                request = f"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: {value}\r\n\r\n"
                writer.write(request.encode())
                with suppress(ConnectionError):
                    answers.append(await reader.read(12))

    async def crowd() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*(guess() for _ in range(CROWD)))

    task = loop.create_task(crowd())
    thread = threading.Thread(target=loop.run_until_complete, args=(task,))
    thread.start()
    try:
        until(lambda: len(answers) > 0, "the first answer to the crowd")
        yield
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
        # Who comes after them is answered after them: by then nobody of the crowd is at the door.
        assert secured.get().status == 401


CROWDS = {
    "as nobody there is": ("nobody", "127.0.0.1"),
    "as somebody else": ("bob", "127.0.0.1"),
    "from another address": ("alice", "127.0.0.2"),
    "from the same address": ("alice", "127.0.0.1"),
}


@pytest.mark.parametrize("crowd", CROWDS)
def test_a_first_right_password_is_answered_in_time(secure: Secure, crowd: str) -> None:
    """While a hundred guess, after each change of its hash; then it costs nothing more."""
    secured = secure(file_of(alice=hashed("right", QUICK), bob=hashed("other", QUICK)))
    with guessing(secured, *CROWDS[crowd]):
        for _ in range(3):
            answer, took = asked(secured, "alice", "right")
            assert (answer, took < SCRAPE_SECONDS) == (200, True), took
            secured.file.write_text(file_of(alice=hashed("right", QUICK), bob=hashed("b", QUICK)))
            secured.look()


def asked(secured: Secured, user: str, password: str) -> tuple[int, float]:
    """Ask as a user; give the status and how many seconds it took."""
    start = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", secured.port, timeout=60)
    with closing(connection):
        connection.request("GET", "/", headers={"Authorization": basic(user, password)})
        return connection.getresponse().status, time.monotonic() - start


def test_who_is_known_stays_so_where_the_file_changes_elsewhere(secure: Secure) -> None:
    """A comment, another user: none of them makes bcrypt run again, for the right or the wrong."""
    alice = hashed("right")
    secured = secure(file_of(alice=alice))
    assert asked(secured, "alice", "right")[0] == 200
    for text in ("# a comment\n" + file_of(alice=alice), file_of(alice=alice, bob=hashed("b"))):
        secured.file.write_text(text)
        secured.look()
        passwords = secured.watcher.rules().passwords
        assert passwords
        assert passwords.remembered(b"alice", b"right") is True
        assert passwords.remembered(b"alice", b"wrong") is False


def test_what_is_remembered_goes_with_the_hash(secure: Secure) -> None:
    """The old password is none any more, and what was wrong before may be right now."""
    secured = secure(file_of(alice=hashed("old"), bob=hashed("bob's")))
    for user, password, status in (
        ("alice", "new", 401),
        ("alice", "old", 200),
        ("bob", "alice's", 401),
    ):
        assert asked(secured, user, password)[0] == status
    secured.file.write_text(file_of(alice=hashed("new"), bob=hashed("alice's")))
    secured.look()
    for user, password, status in (
        ("alice", "old", 401),
        ("alice", "new", 200),
        ("bob", "bob's", 401),
        ("bob", "alice's", 200),
    ):
        assert asked(secured, user, password)[0] == status


def test_a_password_with_an_end_in_it_is_none(secure: Secure) -> None:
    """Bcrypt takes it for the one before: who gave it first would keep out who gives that."""
    secured = secure(file_of(alice=hashed("right")))
    assert asked(secured, "alice", "right\0right")[0] == 401
    assert asked(secured, "alice", "right")[0] == 200
