"""What goes wrong below HTTP and in it: each has a name, and none becomes a wrong answer.

Here are the forms that the matrix of faults (`tests/faults`) does not have, and what becomes of
connections.
"""

import asyncio

import pytest

from exporter.aws.transport import Timeouts
from exporter.model import Answer, AwsError, Failure
from tests.aws.conftest import Serve
from tests.aws.rig import ACCOUNT, ANSWER, REGION, Rig, Stage, rig
from tests.faults.bounds import bounded
from tests.faults.matrix import error
from tests.faulty import (
    LOOPBACK,
    Behaviour,
    FaultyServer,
    by_turns,
    chunked,
    flood,
    full_backlog,
    invitation,
    page,
    response,
    send,
    send_and_close,
    send_and_hang,
    send_and_reset,
)
from tests.processes import eventually

BODY = page([invitation()], nextToken=None)
WHOLE = response(BODY)
NOT_ENABLED = error("AccessDeniedException", 403, "Macie is not enabled.")
LOST = {"EndpointConnectionError", "MalformedResponse"}


def outcome(made: Rig) -> str | Answer:
    """Read a target: its answer, or the code of its failure."""
    try:
        return made.read()
    except AwsError as failed:
        return failed.failure.code


# -- connecting -----------------------------------------------------------------------------


def test_a_connection_that_is_never_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Packets go nowhere: the connect timeout ends it."""
    with full_backlog() as port:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{LOOPBACK}:{port}")
        with rig(attempts=1, timeouts=Timeouts(connect=0.2)) as made:
            assert made.failure().code == "ConnectTimeout"


def test_silence_after_the_request_and_within_a_body(serve: Serve) -> None:
    """The read timeout ends it, each time."""
    server = serve(send_and_hang())
    with rig(timeouts=Timeouts(read=0.2)) as made:
        assert made.failure().code == "ReadTimeout"
        server.behave(send_and_hang(response(BODY, length=len(BODY) + 1)))
        assert made.failure().code == "ReadTimeout"
        assert made.attempts.codes == ["ReadTimeout"] * 6


# -- answers that end early -----------------------------------------------------------------


def test_an_error_cut_at_any_byte_is_another(patient: Stage) -> None:
    """Not `Macie is not enabled` nor a denial: neither is known to have been said."""
    for length in range(len(NOT_ENABLED)):
        made = patient.play(send_and_close(NOT_ENABLED[:length]))
        assert outcome(made) in LOST, NOT_ENABLED[:length]
    assert outcome(patient.play(send(NOT_ENABLED))) == Answer(enabled=False)


def test_a_chunked_answer_cut_at_any_byte_is_none(patient: Stage) -> None:
    """Up to the chunk that says that it is the last."""
    data = chunked(BODY[:20].encode(), BODY[20:].encode())
    for length in range(len(data) - len(b"\r\n\r\n")):
        made = patient.play(send_and_close(data[:length]))
        assert outcome(made) in LOST, data[:length]


HEADERS = {f"X-{number}": "x" for number in range(200)}
MALFORMED, CUT = "MalformedResponse", "EndpointConnectionError"


def length_of(text: str) -> bytes:
    """Write an answer that says so of its length."""
    return response(BODY, headers={"Content-Length": text})


FRAMES: dict[str, tuple[Behaviour, str | int]] = {
    "length too small": (send(response(BODY, length=len(BODY) - 1)), MALFORMED),
    "length 0": (send(response(BODY, length=0)), MALFORMED),
    "no length": (send_and_close(response(BODY, length=None)), 1),
    "length no number": (send_and_close(length_of("x")), MALFORMED),
    "length negative": (send_and_close(length_of("-1")), MALFORMED),
    "two lengths": (send(length_of("5, 6")), MALFORMED),
    "empty without a length": (send_and_close(response("", length=None)), CUT),
    "two chunks": (send(chunked(BODY[:9].encode(), BODY[9:].encode())), 1),
    "no chunk": (send(chunked()), MALFORMED),
    "no end of trailers": (send_and_close(chunked(BODY.encode(), last=b"0\r\n")), CUT),
    "chunk without a size": (send(chunked(BODY.encode(), last=b"nonsense\r\n")), MALFORMED),
    "continue": (send(b"HTTP/1.1 100 Continue\r\n\r\n" + WHOLE), 1),
    "many headers": (send(response(BODY, headers=HEADERS)), MALFORMED),
    "longest header": (send(response(BODY, headers={"X-Long": "x" * 16_000})), 1),
    "odd header": (send(response(BODY, headers={"X-Odd": "\x01\x7f;"})), 1),
}


@pytest.mark.parametrize("name", FRAMES)
def test_framing(patient: Stage, name: str) -> None:
    """Lengths that are wrong, absent or no number, chunks, and what is no HTTP at all."""
    behaviour, expected = FRAMES[name]
    found = outcome(patient.play(behaviour))
    assert (len(found.invitations) if isinstance(found, Answer) else found) == expected
    # And nothing of it is left for the next request.
    assert isinstance(outcome(patient.play(send(WHOLE))), Answer)


# -- answers that take long, or are long -------------------------------------------------------


LONG = b"x" * 65_000


@pytest.mark.parametrize(
    "behaviour",
    [
        flood(chunked(BODY.encode(), last=b"0\r\n"), b"X-Trailer: " + LONG + b"\r\n", 1000),
        flood(chunked(last=b""), b"1;" + LONG + b"\r\n \r\n", 1000),
    ],
    ids=["trailers", "extensions of chunks"],
)
def test_what_is_around_a_body_takes_no_memory(patient: Stage, behaviour: Behaviour) -> None:
    """However little of an answer is its body; the deadline ends it, if nothing else does."""
    with bounded():
        failure = patient.play(behaviour).failure(1.0)
    assert failure.code in LOST | {"Deadline"}


def test_the_largest_answer_is_read(patient: Stage) -> None:
    """The limit itself is allowed; a byte more is not, with a length or without."""
    body = page().ljust(256 * 1024)
    for length, behave in ((-1, send), (None, send_and_close)):
        assert outcome(patient.play(behave(response(body, length=length)))) == Answer(enabled=True)
        failure = patient.play(behave(response(body + " ", length=length))).failure()
        assert failure.code == "MalformedResponse"
        assert "262144" in failure.message


PATIENT = Timeouts(connect=600, read=600)
STOPPING = Failure("Deadline", "the exporter is stopping")


# -- connections are kept as long as that is safe, and lead to the endpoint alone -----------------


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
