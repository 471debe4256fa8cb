"""Connections: kept as long as that is safe, to the endpoint alone, and gone with whoever waits."""

import asyncio
from queue import SimpleQueue

import pytest

from exporter.aws.transport import Timeouts
from exporter.model import Failure
from tests.aws.conftest import Serve
from tests.aws.rig import ACCOUNT, ANSWER, REGION, Stage, rig
from tests.faulty import (
    Behaviour,
    FaultyServer,
    Peer,
    by_turns,
    invitation,
    page,
    response,
    send,
    send_and_close,
    send_and_hang,
    send_and_reset,
)
from tests.processes import eventually

WHOLE = response(page([invitation()]))
PATIENT = Timeouts(connect=600, read=600)
STOPPING = Failure("Deadline", "the exporter is stopping")


def test_a_connection_closed_between_polls_is_opened_anew(serve: Serve) -> None:
    """Servers close what is idle, without a word before."""
    server = serve(send_and_close(WHOLE))
    with rig() as made:
        assert [made.count() for _ in range(5)] == [1] * 5
    assert server.connections >= 5


def test_a_connection_that_breaks_on_reuse_is_tried_again(patient: Stage) -> None:
    """The server closed it while the request was on its way."""
    made = patient.play(by_turns(ANSWER, send_and_reset(b""), ANSWER))
    assert [made.count(), made.count()] == [1, 1]
    assert made.attempts.codes == [None, "EndpointConnectionError", None]


def test_a_connection_that_was_idle_for_long_is_not_used(serve: Serve) -> None:
    """Something on the way may have forgotten it, and would let a request on it time out."""
    server = serve(ANSWER)
    with rig(timeouts=Timeouts(idle=0.1)) as made:
        assert made.count() == 1
        made.run(asyncio.sleep(0.3))
        assert made.count() == 1
    assert server.connections == 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(patient: Stage, status: int) -> None:
    """AWS does not redirect; a captive portal does, and would get a signed request."""
    with FaultyServer(ANSWER) as elsewhere:
        made = patient.play(send(response("", status, {"Location": elsewhere.url})))
        assert made.failure().code == "MalformedResponse"
        assert elsewhere.connections == 0


# -- the end of the process: whoever waits is gone at once, and nothing begins -------------------


@pytest.mark.parametrize(
    "behaviour",
    [send_and_hang(), send_and_hang(response("{", length=99))],
    ids=["silent", "in the body"],
)
def test_who_waits_for_an_answer_is_gone_at_once(serve: Serve, behaviour: Behaviour) -> None:
    """Every one, wherever in the answer it is; and each attempt is counted."""
    server = serve(behaviour)
    with rig(timeouts=PATIENT) as made:

        async def stop() -> int:
            readers = [asyncio.create_task(made.macie.read(ACCOUNT, REGION)) for _ in range(8)]
            await eventually(lambda: len(server.requests) == 8, "all requests")
            for reader in readers:
                reader.cancel()
            ended = await asyncio.gather(*readers, return_exceptions=True)
            return sum(isinstance(one, asyncio.CancelledError) for one in ended)

        assert made.run(stop()) == 8
        assert made.attempts.codes == ["Deadline"] * 8


def test_closing_ends_requests_under_way(serve: Serve) -> None:
    """Even those that nobody cancels; and whoever comes late finds the door closed."""
    server = serve(send_and_hang())
    with rig(timeouts=PATIENT) as made:

        async def close() -> Failure | None:
            reader = asyncio.create_task(made.macie.read(ACCOUNT, REGION))
            await eventually(lambda: len(server.requests) == 1, "the request")
            await made.client.close()
            (error,) = await asyncio.gather(reader, return_exceptions=True)
            return getattr(error, "failure", None)

        assert made.run(close()) == STOPPING
        made.run(made.client.close())
        assert made.failure() == STOPPING
    assert len(server.requests) == 1


def test_connections_are_closed_with_the_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing stays open behind them: the server sees the end of the stream."""
    ended: SimpleQueue[bytes] = SimpleQueue()

    def behave(peer: Peer) -> bool:
        peer.socket.sendall(WHOLE)
        ended.put(peer.socket.recv(1))
        return False

    with FaultyServer(behave) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        with rig() as made:
            assert made.count() == 1
            assert ended.empty()
        assert ended.get(timeout=60) == b""
