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
    (only,) = json.loads([*made.policies.values()][number])["Statement"]
    return only


def test_a_role_that_does_not_let_the_exporter_in() -> None:
    """Its trust names who was denied, the ExternalId stays secret; the exporter may assume it."""
    made = remedy(MEMBER, Failure("AccessDenied", NO_ASSUME), Settings())
    assert list(made.policies) == [
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
        (MEMBER, f"the policy of {ROLE.arn}"),
        (Account("111122223333"), "the exporter's own policy"),
    ],
)
@pytest.mark.parametrize("asked", ["macie2:ListInvitations", "macie2:GetAdministratorAccount"])
def test_who_may_not_read(account: Account, place: str, asked: str) -> None:
    """The missing action is named; the statement has all that the configuration reads.

    The role's own policy lacks it, without a role the exporter's.
    """
    settings = Settings.model_validate({"metrics": {"administrator": {"enabled": True}}})
    denied = Failure("AccessDeniedException", "User: x is not", asked=asked)
    made = remedy(account, denied, settings)
    assert made.text.startswith(f"allow {asked} on Resource '*' in {place}")
    assert [each.lower() for each in made.policies] == [place.lower()]
    actions = ["macie2:ListInvitations", "macie2:GetAdministratorAccount"]
    assert statement(made, 0)["Action"] == actions
    assert hint_of(denied).startswith(f"allow {asked} on Resource '*'")


@pytest.mark.parametrize("code", ["ThrottlingException", "AccessDenied", "other"])
def test_what_no_statement_mends(code: str) -> None:
    """It has the words of the table of errors alone."""
    made = remedy(Account("111122223333"), Failure(code, ""), Settings())
    assert made.text
    assert not made.policies


@pytest.mark.parametrize(
    ("caller", "expected"),
    [
        ("arn:aws:iam::999988887777:user/path/me", "arn:aws:iam::999988887777:user/path/me"),
        ("arn:aws:iam::12:user/me", UNKNOWN_HUB),
        ('arn:aws:iam::999988887777:user/me"}', UNKNOWN_HUB),
        ("somebody", UNKNOWN_HUB),
    ],
)
def test_who_was_denied_is_read_off_the_denial(caller: str, expected: str) -> None:
    """A user is named as it is, with its path; what is no principal is not made one."""
    assert principal(f"User: {caller} is not authorized to perform: sts:AssumeRole") == expected
