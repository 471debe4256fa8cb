"""Pages of 25 until there is no next token, whatever tokens look like."""

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.aws.macie import MAX_INVITATIONS
from exporter.model import Answer
from tests.aws.conftest import Serve
from tests.aws.rig import Rig, Stage, rig
from tests.faulty import Behaviour, FaultyServer, Peer, by_turns, invitation, page, response, send


def query(server: FaultyServer, number: int) -> dict[str, list[str]]:
    """Return the query of a request that a server got; from -1, the latest, backwards."""
    return parse_qs(
        urlsplit(server.requests[number].target).query, keep_blank_values=True, strict_parsing=True
    )


def pages(answer: Callable[[int], str]) -> Behaviour:
    """Answer each request with the body that its number gives."""

    def behave(peer: Peer) -> bool:
        return send(response(answer(peer.number)))(peer)

    return behave


def ids(answer: Answer) -> list[str]:
    """Return the ids of what was answered."""
    return [found.invitation_id for found in answer.invitations]


@pytest.mark.parametrize("end", [{}, {"nextToken": None}, {"nextToken": ""}], ids=repr)
def test_the_list_ends_where_there_is_no_token(patient: Stage, end: dict[str, object]) -> None:
    """A token that is absent, null or empty is none; 25 at a time are asked for."""
    made = patient.play(
        by_turns(
            send(response(page([invitation("a"), invitation("b")], nextToken="t/1"))),
            send(response(page([], nextToken="t/2"))),
            send(response(page([invitation("c")], **end))),
        )
    )
    assert ids(made.read()) == ["a", "b", "c"]
    assert [query(patient.server, number) for number in range(3)] == [
        {"maxResults": ["25"]},
        {"maxResults": ["25"], "nextToken": ["t/1"]},
        {"maxResults": ["25"], "nextToken": ["t/2"]},
    ]
    assert {urlsplit(request.target).path for request in patient.server.requests} == {
        "/invitations"
    }


def test_any_token_comes_back_as_it_was(serve: Serve) -> None:
    """Tokens are opaque: any text survives the way into a query and back."""
    token = ""

    def behave(peer: Peer) -> bool:
        first = "nextToken" not in peer.request.target
        return send(response(page([], nextToken=token) if first else page()))(peer)

    server = serve(behave)
    with rig() as made:

        @given(st.text(min_size=1, max_size=200))
        @example('é+/=&% "#?;\\')
        @example("\x00\r\n\t\x7f")
        @example("%2B%20+ +")
        @example("😀" * 50)
        def survives(text: str) -> None:
            nonlocal token
            token = text
            made.read()
            assert query(server, -1)["nextToken"] == [text]

        survives()


def test_too_many_invitations_are_refused_on_the_last_page_too(patient: Stage) -> None:
    """However they are spread over pages, and whether or not another page follows."""
    half = ["{}"] * (MAX_INVITATIONS // 2)
    body = '{{"invitations": [{}]{}}}'
    first = body.format(",".join(half), ', "nextToken": "t"')

    def read(more: int) -> Rig:
        last = body.format(",".join([*half, *["{}"] * more]), "")
        return patient.play(by_turns(send(response(first)), send(response(last))))

    assert len(read(0).read().invitations) == MAX_INVITATIONS
    failure = read(1).failure()
    assert (failure.code, failure.message) == (
        "MalformedResponse",
        f"more than {MAX_INVITATIONS} invitations",
    )


def test_a_token_that_no_url_can_hold_is_malformed(patient: Stage) -> None:
    """JSON can spell half a surrogate pair, UTF-8 cannot."""
    made = patient.play(send(response('{"invitations": [], "nextToken": "\\ud800"}')))
    assert made.failure().code == "MalformedResponse"


def test_a_page_is_tried_again_by_itself(patient: Stage) -> None:
    """A transient failure of one page does not start the list anew, nor lose its place."""
    made = patient.play(
        by_turns(
            send(response(page([invitation("a")], nextToken="t"))),
            send(response("", 503)),
            send(response(page([invitation("b")]))),
        )
    )
    assert ids(made.read()) == ["a", "b"]
    assert [query(patient.server, number).get("nextToken") for number in range(3)] == [
        None,
        ["t"],
        ["t"],
    ]


def test_the_keys_of_the_answer_are_shared(patient: Stage) -> None:
    """Equal inviters and statuses are one object, however many invitations there are."""
    made = patient.play(send(response(page([invitation(f"i-{number}") for number in range(25)]))))
    answer = made.read()
    assert len({id(found.inviter_account_id) for found in answer.invitations}) == 1
    assert len({id(found.relationship_status) for found in answer.invitations}) == 1
