"""Connections are kept, as long as that is safe, and lead nowhere but to the endpoint."""

import asyncio
from queue import SimpleQueue

import pytest

from exporter.aws.transport import Timeouts
from tests.aws.conftest import Serve
from tests.aws.rig import Rig, Stage, rig
from tests.faulty import (
    FaultyServer,
    Peer,
    by_turns,
    invitation,
    page,
    response,
    send,
    send_and_close,
    send_and_reset,
)

WHOLE = response(page([invitation()]))


def count(made: Rig) -> int:
    """Read a target; give how many invitations it has."""
    return len(made.read().invitations)


def test_a_connection_closed_between_polls_is_opened_anew(serve: Serve) -> None:
    """Servers close what is idle, without a word before."""
    server = serve(send_and_close(WHOLE))
    with rig() as made:
        assert [count(made) for _ in range(5)] == [1] * 5
    assert server.connections >= 5


def test_a_connection_that_breaks_on_reuse_is_tried_again(patient: Stage) -> None:
    """The server closed it while the request was on its way."""
    made = patient.play(by_turns(send(WHOLE), send_and_reset(b""), send(WHOLE)))
    assert [count(made), count(made)] == [1, 1]
    assert made.attempts.codes == [None, "EndpointConnectionError", None]


def test_a_connection_that_was_idle_for_long_is_not_used(serve: Serve) -> None:
    """Something on the way may have forgotten it, and would let a request on it time out."""
    server = serve(send(WHOLE))
    with rig(timeouts=Timeouts(idle=0.1)) as made:
        assert count(made) == 1
        made.run(asyncio.sleep(0.3))
        assert count(made) == 1
    assert server.connections == 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(patient: Stage, status: int) -> None:
    """AWS does not redirect; a captive portal does, and would get a signed request."""
    with FaultyServer(send(WHOLE)) as elsewhere:
        made = patient.play(send(response("", status, {"Location": elsewhere.url})))
        assert made.failure().code == "MalformedResponse"
        assert elsewhere.connections == 0


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
            assert count(made) == 1
            assert ended.empty()
        assert ended.get(timeout=10) == b""
