"""What is said to mend a denied target, and the statements to paste."""

import json
from typing import Any

import pytest

from exporter.error_codes import hint_of
from exporter.iam.policies import UNKNOWN_HUB
from exporter.iam.remedies import SECRET, Remedy, principal, remedy
from exporter.model import Account, Failure, Role
from exporter.settings import Settings

ROLE = Role("arn:aws:iam::111122223333:role/reader", "hush")
MEMBER = Account("111122223333", "payments", ROLE)
NO_ASSUME = (
    "User: arn:aws:sts::999988887777:assumed-role/exporter/s-1 is not authorized to perform: "
    "sts:AssumeRole on resource: arn:aws:iam::111122223333:role/reader"
)


def statement(made: Remedy, number: int) -> Any:
    """Return the only statement of a policy that is to be pasted."""
    (only,) = json.loads(made.statements[number].json)["Statement"]
    return only


def test_a_role_that_does_not_let_the_exporter_in() -> None:
    """Its trust names who was denied, the ExternalId stays secret; the exporter may assume it."""
    made = remedy(MEMBER, Failure("AccessDenied", NO_ASSUME), Settings())
    assert [each.place for each in made.statements] == [
        "The trust policy of arn:aws:iam::111122223333:role/reader",
        "In the exporter's own policy",
    ]
    assert statement(made, 0) == {
        "Sid": "LetTheExporterIn",
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::999988887777:role/exporter"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"sts:ExternalId": SECRET}},
    }
    assert statement(made, 1)["Resource"] == ROLE.arn
    assert "hush" not in str(made)


@pytest.mark.parametrize(
    ("account", "place"),
    [
        (MEMBER, f"The policy of {ROLE.arn}"),
        (Account("111122223333"), "The exporter's own policy"),
    ],
)
def test_who_may_not_list_invitations(account: Account, place: str) -> None:
    """The role's own policy lacks a statement, without a role the exporter's."""
    made = remedy(account, Failure("AccessDeniedException", "User: x is not"), Settings())
    assert [each.place for each in made.statements] == [place]
    assert statement(made, 0)["Action"] == "macie2:ListInvitations"
    assert "macie2:ListInvitations" in made.text


def test_a_role_that_may_not_ask_for_the_administrator() -> None:
    """The missing action is named, and the statement has all that the configuration reads."""
    settings = Settings.model_validate({"metrics": {"administrator": {"enabled": True}}})
    asked = "macie2:GetAdministratorAccount"
    denied = Failure("AccessDeniedException", "User: x is not", asked=asked)
    made = remedy(MEMBER, denied, settings)
    assert statement(made, 0)["Action"] == ["macie2:ListInvitations", asked]
    assert made.text.startswith(f"allow {asked} on Resource '*' in the policy of {ROLE.arn}")
    assert hint_of(denied).startswith(f"allow {asked} on Resource '*'")


@pytest.mark.parametrize("code", ["ThrottlingException", "AccessDenied", "other"])
def test_what_no_statement_mends(code: str) -> None:
    """It has the words of the table of errors alone."""
    made = remedy(Account("111122223333"), Failure(code, ""), Settings())
    assert made.text
    assert made.statements == ()


@pytest.mark.parametrize(
    ("caller", "expected"),
    [
        (
            "arn:aws:sts::999988887777:assumed-role/exporter/session",
            "arn:aws:iam::999988887777:role/exporter",
        ),
        ("arn:aws:iam::999988887777:user/path/me", "arn:aws:iam::999988887777:user/path/me"),
        ("arn:aws:iam::12:user/me", UNKNOWN_HUB),
        ('arn:aws:iam::999988887777:user/me"}', UNKNOWN_HUB),
        ("somebody", UNKNOWN_HUB),
    ],
)
def test_who_was_denied_is_read_off_the_denial(caller: str, expected: str) -> None:
    """A session's role is whom a trust policy names; what is no principal is not made one."""
    assert principal(f"User: {caller} is not authorized to perform: sts:AssumeRole") == expected
