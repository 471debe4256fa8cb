"""Who administers an account in fact: a second call in the same poll, over real HTTP."""

import json

import pytest

from exporter.model import NO_ADMINISTRATOR, Administrator, Answer, AwsError
from tests.aws.rig import ACCOUNT, REGION, Rig, Stage
from tests.faulty import Behaviour, by_turns, invitation, page, response, send

LISTED = send(response(page([invitation()])))


def error(code: str, status: int, message: str = "no") -> Behaviour:
    """Answer with an error of AWS's."""
    body = json.dumps({"message": message})
    return send(response(body, status, {"x-amzn-ErrorType": code}))


def read(made: Rig) -> Answer:
    """Read a target, and who its administrator is. Raises AwsError."""
    return made.run(made.macie.read(ACCOUNT, REGION, administrator=True))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            {"accountId": "999988887777", "invitationId": "i", "relationshipStatus": "Enabled"},
            Administrator("999988887777", "Enabled"),
        ),
        ({"accountId": "999988887777"}, Administrator("999988887777", "unknown")),
        (
            {"accountId": "999988887777", "relationshipStatus": "PAUSED", "invitedAt": 7},
            Administrator("999988887777", "Paused"),
        ),
    ],
)
def test_the_administrator_comes_with_the_invitations(
    patient: Stage, said: dict[str, object], expected: Administrator
) -> None:
    """One poll is both calls; of one through Organizations only the account id is sure."""
    made = patient.play(by_turns(LISTED, send(response(json.dumps({"administrator": said})))))
    answer = read(made)
    assert answer.administrator == expected
    assert len(answer.invitations) == 1
    assert [request.target for request in patient.server.requests] == [
        "/invitations?maxResults=25",
        "/administrator",
    ]


@pytest.mark.parametrize(
    "none",
    [
        send(response("{}")),
        send(response('{"administrator": null}')),
        send(response('{"administrator": {}}')),
        error("ResourceNotFoundException", 404),
    ],
    ids=["empty", "null", "without fields", "not found"],
)
def test_an_account_without_one(patient: Stage, none: Behaviour) -> None:
    """AWS says so by an empty answer, or as of something that it does not find."""
    assert read(patient.play(by_turns(LISTED, none))).administrator == NO_ADMINISTRATOR


@pytest.mark.parametrize(
    "body",
    [
        '{"message": "hello"}',
        '{"administrator": []}',
        '{"administrator": false}',
        '{"administrator": "999988887777"}',
        '{"administrator": {"relationshipStatus": "Enabled"}}',
        '{"administrator": {"accountId": 999988887777}}',
        '{"administrator": {"accountId": ""}}',
    ],
)
def test_what_says_nothing_is_no_answer(patient: Stage, body: str) -> None:
    """It does not mean that there is none: the poll has failed."""
    with pytest.raises(AwsError) as caught:
        read(patient.play(by_turns(LISTED, send(response(body)))))
    assert caught.value.failure.code == "MalformedResponse"


def test_a_denied_second_call_fails_the_poll_and_names_the_action(patient: Stage) -> None:
    """A poll is one complete reading."""
    denied = error("AccessDeniedException", 403)
    with pytest.raises(AwsError) as caught:
        read(patient.play(by_turns(LISTED, denied)))
    assert caught.value.failure.asked == "macie2:GetAdministratorAccount"


def test_macie_that_is_switched_off_is_not_asked(patient: Stage) -> None:
    """Nor has it failed where that happens between the two calls."""
    off = error("AccessDeniedException", 403, "Macie is not enabled.")
    made = patient.play(by_turns(off))
    assert read(made) == Answer(enabled=False)
    assert len(patient.server.requests) == 1
    assert read(patient.play(by_turns(LISTED, off))) == Answer(enabled=False)


def test_it_is_asked_for_only_where_that_is_wanted(patient: Stage) -> None:
    """An answer that was not asked for it says so, which is not the same as none."""
    assert patient.play(by_turns(LISTED)).read().administrator is None
    assert len(patient.server.requests) == 1
