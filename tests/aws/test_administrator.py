"""Who administers an account in fact: a second call in the same poll, over real HTTP."""

import json

import pytest

from exporter.model import NO_ADMINISTRATOR, Administrator, Answer, AwsError, Failure
from tests.aws.rig import ACCOUNT, ANSWER, REGION, Stage
from tests.faults.matrix import error
from tests.faulty import Behaviour, by_turns, response, send

WHO = "999988887777"


def read(patient: Stage, *behaviours: Behaviour) -> Answer:
    """Read a target, and who its administrator is. Raises AwsError."""
    made = patient.play(by_turns(*behaviours))
    return made.run(made.macie.read(ACCOUNT, REGION, administrator=True))


def refused(patient: Stage, second: bytes) -> Failure:
    """Read a target where the second call is answered so; return why the poll failed."""
    with pytest.raises(AwsError) as caught:
        read(patient, ANSWER, send(second))
    return caught.value.failure


def named(**fields: object) -> bytes:
    """Answer that somebody is the administrator."""
    return response(json.dumps({"administrator": fields}))


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (
            named(accountId=WHO, invitationId="i", relationshipStatus="Enabled"),
            Administrator(WHO, "Enabled"),
        ),
        (named(accountId=WHO), Administrator(WHO, "unknown")),
        (named(accountId=WHO, relationshipStatus="PAUSED"), Administrator(WHO, "Paused")),
        (named(), NO_ADMINISTRATOR),
        (response('{"administrator": null}'), NO_ADMINISTRATOR),
        (response("{}"), NO_ADMINISTRATOR),
        (error("ResourceNotFoundException", 404), NO_ADMINISTRATOR),
    ],
    ids=["invited", "organization", "another case", "no fields", "null", "empty", "not found"],
)
def test_the_administrator_comes_with_the_invitations(
    patient: Stage, second: bytes, expected: Administrator
) -> None:
    """One poll is both calls; of one through Organizations only the account id is sure.

    That there is none AWS says by an empty answer, or as of something that it does not find.
    """
    answer = read(patient, ANSWER, send(second))
    assert (answer.administrator, len(answer.invitations)) == (expected, 1)
    assert [request.target for request in patient.server.requests] == [
        "/invitations?maxResults=25",
        "/administrator",
    ]


@pytest.mark.parametrize(
    "said",
    [
        {"message": "hello"},
        {"administrator": []},
        {"administrator": False},
        {"administrator": WHO},
        {"administrator": {"relationshipStatus": "Enabled"}},
        {"administrator": {"accountId": int(WHO)}},
        {"administrator": {"accountId": ""}},
    ],
    ids=str,
)
def test_what_says_nothing_is_no_answer(patient: Stage, said: object) -> None:
    """It does not mean that there is none: the poll has failed."""
    assert refused(patient, response(json.dumps(said))).code == "MalformedResponse"


def test_a_denied_second_call_fails_the_poll_and_names_the_action(patient: Stage) -> None:
    """A poll is one complete reading."""
    failure = refused(patient, error("AccessDeniedException", 403))
    assert (failure.code, failure.asked) == (
        "AccessDeniedException",
        "macie2:GetAdministratorAccount",
    )


def test_it_is_asked_for_only_where_that_is_wanted(patient: Stage) -> None:
    """Not where nobody asks, which is not the same as none, nor where Macie is switched off.

    Nor has a poll failed where that happens between the two calls.
    """
    assert patient.play(ANSWER).read().administrator is None
    assert len(patient.server.requests) == 1
    off = send(error("AccessDeniedException", 403, "Macie is not enabled."))
    assert read(patient, off) == Answer(enabled=False)
    assert len(patient.server.requests) == 1
    assert read(patient, ANSWER, off) == Answer(enabled=False)
