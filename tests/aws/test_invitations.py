"""Pages of invitations: read to their end, each field whole or absent, and never a wrong list."""

from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.utils import parse_timestamp
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.aws.answers import unix_seconds
from exporter.aws.macie import LONGEST_TEXT, MAX_INVITATIONS
from exporter.model import Answer, Invitation
from tests.aws.rig import Stage
from tests.faulty import by_turns, invitation, page, response, send

WHEN = 1714979289.123


def ids(answer: Answer) -> list[str]:
    """Return the ids of what was answered."""
    return [found.invitation_id for found in answer.invitations]


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
    assert ids(made.read()) == ["a", "b", "c"]
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
    half = ["{}"] * (MAX_INVITATIONS // 2)
    body = '{{"invitations": [{}]{}}}'
    first = send(response(body.format(",".join(half), ', "nextToken": "t"')))
    last = send(response(body.format(",".join(half), "")))
    assert len(patient.play(by_turns(first, last)).read().invitations) == MAX_INVITATIONS
    last = send(response(body.format(",".join([*half, "{}"]), "")))
    failure = patient.play(by_turns(first, last)).failure()
    assert (failure.code, failure.message) == (
        "MalformedResponse",
        f"more than {MAX_INVITATIONS} invitations",
    )


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
    for text in ("x" * (LONGEST_TEXT + 1), "\ud800", "a\udfff"):
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


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2024-05-06T07:08:09.123Z", WHEN),
        ("2024-05-06T07:08:09+02:00", 1714972089.0),
        ("2024-05-06T07:08:09.123456789Z", 1714979289.123456),
        ("2024-01-01T00:00:60Z", None),
        ("20240506T070809.123Z", None),
        ("Monday", None),
        ("10:30", None),
    ],
)
def test_known_timestamps(text: str, seconds: float | None) -> None:
    """A reader can check these by eye; what means a time of today to botocore is none."""
    assert unix_seconds(text) == seconds
