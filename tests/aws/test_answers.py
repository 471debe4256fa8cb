"""Bodies of any form with status 200: a right answer or a malformed one, never a wrong one."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.aws.macie import LONGEST_TEXT
from exporter.model import Answer, AwsError, Invitation
from tests.aws.conftest import Serve
from tests.aws.rig import Rig, Stage, rig
from tests.faulty import Peer, invitation, page, response, send

VALUES: Mapping[str, Any] = {
    "null": None,
    "true": True,
    "false": False,
    "zero": 0,
    "number": 7,
    "fraction": 1.5,
    "empty text": "",
    "text": "text",
    "empty list": [],
    "list": ["text"],
    "list of lists": [[]],
    "list of null": [None],
    "list of objects": [{"a": 1}],
    "empty object": {},
    "object": {"a": 1},
}
WHOLE = Invitation("222233334444", "i-1", "Invited", 1714979289.123)
NOTHING = Invitation("", "", "unknown", None)


def outcome(made: Rig) -> str | Answer:
    """Read a target: its answer, or the code of its failure."""
    try:
        return made.read()
    except AwsError as error:
        return error.failure.code


def test_only_an_object_with_a_list_is_an_answer(patient: Stage) -> None:
    """An empty list is an answer that somebody sent; nothing else is one."""
    expected: dict[str, str | Answer] = {
        "empty list": Answer(enabled=True),
        # Every field is optional.
        "list of objects": Answer(enabled=True, invitations=(NOTHING,)),
    }
    for name, value in VALUES.items():
        made = patient.play(send(response(json.dumps(value))))
        assert outcome(made) == "MalformedResponse", name
        made = patient.play(send(response(json.dumps({"invitations": value}))))
        assert outcome(made) == expected.get(name, "MalformedResponse"), name


def test_an_invitation_of_another_type_is_malformed(patient: Stage) -> None:
    """One bad element spoils the page: a list that is short of one is a wrong list."""
    optional = Answer(enabled=True, invitations=(WHOLE, NOTHING))
    for name, value in VALUES.items():
        made = patient.play(send(response(page([invitation(), value]))))
        expected = optional if name in {"empty object", "object"} else "MalformedResponse"
        assert outcome(made) == expected, name


@pytest.mark.parametrize(
    ("field", "name", "absent"),
    [
        ("accountId", "inviter_account_id", ""),
        ("invitationId", "invitation_id", ""),
        ("relationshipStatus", "relationship_status", "unknown"),
        ("invitedAt", "invited_at", None),
    ],
)
def test_a_field_of_another_type(patient: Stage, field: str, name: str, absent: object) -> None:
    """A text is a text or absent; a time that cannot be read is none, and the rest is kept."""
    for value in VALUES.values():
        made = patient.play(send(response(page([{**invitation(), field: value}]))))
        fields = {each: getattr(WHOLE, each) for each in WHOLE.__slots__}
        fields[name] = absent if field == "invitedAt" else value or absent
        readable = value is None or isinstance(value, str) or field == "invitedAt"
        expected = Answer(enabled=True, invitations=(Invitation(**fields),))
        assert outcome(made) == (expected if readable else "MalformedResponse"), value


def test_texts_that_no_label_can_hold_are_malformed(patient: Stage) -> None:
    """Half a surrogate pair is no UTF-8, and an id of many thousand characters is no id."""
    for text in ("x" * (LONGEST_TEXT + 1), "\ud800", "a\udfff"):
        for field in ("accountId", "invitationId", "relationshipStatus"):
            made = patient.play(send(response(page([invitation(**{field: text})]))))
            assert outcome(made) == "MalformedResponse"


JSON: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.sampled_from(
                ["invitations", "nextToken", "accountId", "invitationId", "invitedAt", "x"]
            ),
            inner,
        ),
    ),
)


def test_no_json_is_another_exception(serve: Serve) -> None:
    """Whatever JSON comes: an answer with what was sent, or a malformed response."""
    sent: Any = None

    def behave(peer: Peer) -> bool:
        last = "nextToken" in peer.request.target
        return send(response(page() if last else json.dumps(sent)))(peer)

    serve(behave)
    with rig() as made:

        @given(st.one_of(JSON, st.fixed_dictionaries({"invitations": st.lists(JSON)})))
        @settings(max_examples=100)
        def holds(value: Any) -> None:
            nonlocal sent
            sent = value
            found = outcome(made)
            if isinstance(found, Answer):
                assert len(found.invitations) == len(value["invitations"])
            else:
                assert found == "MalformedResponse"

        holds()
