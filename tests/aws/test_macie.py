"""Invitations, page after page, and who administers the account: never a wrong answer."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.utils import parse_timestamp
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.aws.answers import unix_seconds
from exporter.model import NO_ADMINISTRATOR, Administrator, Answer, AwsError, Failure, Invitation
from tests.aws.rig import ACCOUNT, ANSWER, REGION, Stage
from tests.faults.matrix import error
from tests.faulty import Behaviour, by_turns, invitation, page, response, send

WHEN = 1714979289.123


@pytest.mark.parametrize("end", [{}, {"nextToken": None}, {"nextToken": ""}], ids=repr)
def test_the_list_ends_where_there_is_no_token(patient: Stage, end: dict[str, object]) -> None:
    """A token that is absent, null or empty is none; 25 at a time are asked for.

    A page that fails is tried again by itself: the list neither starts anew nor loses its place.
    """
    made = patient.play(
        by_turns(
            send(response(page([invitation("a"), invitation("b")], nextToken="t/1"))),
            send(response("", 503)),
            send(response(page([], nextToken="t/2"))),
            send(response(page([invitation("c")], **end))),
        )
    )
    assert [one.invitation_id for one in made.read().invitations] == ["a", "b", "c"]
    asked = [urlsplit(request.target) for request in patient.server.requests]
    assert {one.path for one in asked} == {"/invitations"}
    second = {"maxResults": ["25"], "nextToken": ["t/1"]}
    assert [parse_qs(one.query) for one in asked] == [
        {"maxResults": ["25"]},
        second,
        second,
        {"maxResults": ["25"], "nextToken": ["t/2"]},
    ]


def test_too_many_invitations_are_refused_on_the_last_page_too(patient: Stage) -> None:
    """However they are spread over pages, and whether or not another page follows."""

    def pages(last: int) -> Behaviour:
        sizes = ((50_000, ', "nextToken": "t"'), (last, ""))
        bodies = (f'{{"invitations": [{",".join(["{}"] * size)}]{more}}}' for size, more in sizes)
        return by_turns(*(send(response(body)) for body in bodies))

    assert len(patient.play(pages(50_000)).read().invitations) == 100_000
    failure = patient.play(pages(50_001)).failure()
    assert failure.code == "MalformedResponse"
    assert failure.message == "more than 100000 invitations"


def test_every_field_is_optional(patient: Stage) -> None:
    """Absent, null, or one that nobody knows; a status in another case is the known one.

    What else is no list of invitations, no text or no time is in rows of the fault matrix.
    """
    names = ("accountId", "invitationId", "relationshipStatus", "invitedAt")
    statuses = ("INVITED", "enabled", "Inviting")
    sent = [
        *({}, dict.fromkeys(names), {"a": 1}, invitation()),
        *(invitation(relationshipStatus=status) for status in statuses),
    ]
    assert patient.play(send(response(page(sent)))).read() == Answer(
        enabled=True,
        invitations=(
            *[Invitation("", "", "unknown", None)] * 3,
            Invitation("222233334444", "i-1", "Invited", WHEN),
            *(
                Invitation("222233334444", "i-1", status, WHEN)
                for status in ("Invited", "Enabled", "Inviting")
            ),
        ),
    )


@pytest.mark.parametrize("field", ["accountId", "invitationId", "relationshipStatus"])
def test_texts_that_no_label_can_hold_are_malformed(patient: Stage, field: str) -> None:
    """Half a surrogate pair is no UTF-8, and an id of many thousand characters is no id."""
    for text in ("x" * 257, "\ud800", "a\udfff"):
        made = patient.play(send(response(page([invitation(**{field: text})]))))
        assert made.failure().code == "MalformedResponse"


def test_equal_texts_are_one_object(patient: Stage) -> None:
    """However many invitations there are from few inviters."""
    made = patient.play(send(response(page([invitation(f"i-{number}") for number in range(25)]))))
    answer = made.read()
    assert len({id(found.inviter_account_id) for found in answer.invitations}) == 1
    assert len({id(found.relationship_status) for found in answer.invitations}) == 1


# -- times ------------------------------------------------------------------------------------

OFFSETS = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(
    lambda minutes: timezone(timedelta(minutes=minutes))
)


@given(
    st.datetimes(timezones=st.one_of(st.just(UTC), OFFSETS)),
    st.sampled_from(["seconds", "milliseconds", "microseconds"]),
    st.sampled_from(["Z", "offset", "none"]),
)
@example(datetime.min.replace(tzinfo=UTC), "milliseconds", "Z")
@example(datetime.max.replace(tzinfo=UTC), "milliseconds", "Z")
@example(datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))), "seconds", "offset")
@example(datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-12))), "seconds", "offset")
def test_iso_8601_is_read_as_botocore_reads_it(moment: datetime, precision: str, zone: str) -> None:
    """With any fraction and any zone, from year 1 to year 9999; without a zone it is UTC."""
    text = moment.replace(tzinfo=None).isoformat(timespec=precision)
    if zone == "Z":
        text += "Z"
    elif zone == "offset":
        text = moment.isoformat(timespec=precision)
    read = parse_timestamp(text)
    expected = read if read.tzinfo else read.replace(tzinfo=UTC)
    assert unix_seconds(text) == expected.timestamp()


def test_known_timestamps() -> None:
    """A reader can check these by eye; what is finer than a microsecond is cut."""
    assert unix_seconds("2024-05-06T07:08:09.123456789Z") == 1714979289.123456
    assert unix_seconds("2024-05-06T07:08:09+02:00") == 1714972089.0


# -- who administers an account in fact: a second call in the same poll ---------------------------

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


NO_ADMINISTRATORS: Sequence[object] = (
    *([], False, WHO, {"relationshipStatus": "Enabled"}, {"accountId": int(WHO)}),
    {"accountId": ""},
)


@pytest.mark.parametrize(
    "said",
    [{"message": "hello"}, *({"administrator": each} for each in NO_ADMINISTRATORS)],
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
