"""The end of the process: whoever waits is cancelled and gone at once, and nothing begins."""

import asyncio
from collections.abc import Callable

import pytest

from exporter.aws.transport import Timeouts
from exporter.model import Failure
from tests.aws.conftest import Serve
from tests.aws.rig import ACCOUNT, REGION, Rig, rig
from tests.faulty import (
    Behaviour,
    page,
    response,
    send,
    send_and_hang,
)

READERS = 8
AT_ONCE = 10.0
"""Seconds: far more than any machine needs, far less than what hangs takes."""
PATIENT = Timeouts(connect=60, read=60)
STOPPING = Failure("Deadline", "the exporter is stopping")


def stopped(made: Rig, begun: Callable[[], bool]) -> int:
    """Have readers begin, cancel them once it has begun, and tell how many ended so, at once."""

    async def stop() -> int:
        readers = [asyncio.create_task(made.macie.read(ACCOUNT, REGION)) for _ in range(READERS)]
        while not begun():  # noqa: ASYNC110 -- kernel and server's threads tell no loop
            await asyncio.sleep(0.01)
        for reader in readers:
            reader.cancel()
        ended = await asyncio.wait_for(asyncio.gather(*readers, return_exceptions=True), AT_ONCE)
        return sum(isinstance(one, asyncio.CancelledError) for one in ended)

    return made.run(stop(), 30.0)


@pytest.mark.parametrize(
    "behaviour",
    [
        send_and_hang(),
        send_and_hang(response("{", length=99)),
    ],
    ids=["silent", "in the body"],
)
def test_who_waits_for_an_answer_is_gone_at_once(serve: Serve, behaviour: Behaviour) -> None:
    """Every one, wherever in the answer it is; and each attempt is counted."""
    server = serve(behaviour)
    with rig(timeouts=PATIENT) as made:
        assert stopped(made, lambda: len(server.requests) == READERS) == READERS
        assert made.attempts.codes == ["Deadline"] * READERS


def test_nothing_begins_after_the_end(serve: Serve) -> None:
    """Whoever comes late finds the door closed."""
    server = serve(send(response(page())))
    with rig() as made:
        made.read()
        made.run(made.client.close())
        made.run(made.client.close())
        assert made.failure() == STOPPING
    assert len(server.requests) == 1


def test_closing_ends_requests_under_way(serve: Serve) -> None:
    """Even those that nobody cancels."""
    server = serve(send_and_hang())
    with rig(timeouts=PATIENT) as made:

        async def close() -> Failure | None:
            reader = asyncio.create_task(made.macie.read(ACCOUNT, REGION))
            while not server.requests:  # noqa: ASYNC110 -- the server's threads tell no loop
                await asyncio.sleep(0.01)
            await made.client.close()
            (error,) = await asyncio.gather(reader, return_exceptions=True)
            return getattr(error, "failure", None)

        assert made.run(close()) == STOPPING
