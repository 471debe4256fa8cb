"""What the whole fleet comes to, and the verdict on it."""

from dataclasses import replace
from typing import Any

import pytest

from exporter.model import Administrator, Answer, Failure, Inventory, Trust
from exporter.settings import Settings
from exporter.sharding import shard_of
from exporter.state import TargetState
from exporter.web.status import Status
from exporter.web.summary import (
    Stranger,
    Verdict,
    absence_reasons,
    counted,
    failure_groups,
    strangers,
    summary,
    verdict,
)
from tests.statuses import AUDIT, DAY, NOW, PAYMENTS, answered, invited, status

HERE, THERE = PAYMENTS.targets()
ELSEWHERE = AUDIT.targets()[0]
DENIED = Failure("AccessDenied", "not authorized", "req-1")
OURS = "999988887777"
TRUST = Trust(configured=True, accounts=frozenset({OURS}))


def test_the_fleet_in_a_line() -> None:
    """Every state is counted; the oldest data are of the target that answered longest ago."""
    made = status(
        PAYMENTS,
        AUDIT,
        polls={HERE: [answered(invited(age=3 * DAY)), DENIED], ELSEWHERE: [answered(invited())]},
    )
    line = summary(made.rows())
    assert line.states == {
        TargetState.PENDING: 1,
        TargetState.OK: 1,
        TargetState.NOT_ENABLED: 0,
        TargetState.FAILING: 1,
        TargetState.STALE: 0,
    }
    assert counted(made.rows()) == line.states
    assert (line.targets, line.polled) == (3, 2)
    assert (line.pending, line.oldest_pending) == (2, NOW - 3 * DAY)
    assert line.oldest is not None
    assert line.oldest.record.target == HERE


def test_a_fleet_of_which_nothing_is_known() -> None:
    """It has no oldest data."""
    line = summary(status(PAYMENTS).rows())
    assert (line.polled, line.pending, line.oldest_pending, line.oldest) == (0, 0, None, None)


def test_failures_are_told_by_account_and_error_the_widest_first() -> None:
    """One broken role in twenty regions is one line."""
    slow = Failure("ThrottlingException", "Rate exceeded")
    made = status(PAYMENTS, AUDIT, polls={HERE: [DENIED], THERE: [DENIED], ELSEWHERE: [slow]})
    found = [
        (group[0].account.name, group[0].failure, tuple(row.target.region for row in group))
        for group in failure_groups(made.rows())
    ]
    assert found == [
        ("payments", DENIED, ("eu-west-1", "us-east-1")),
        ("audit", slow, ("eu-west-1",)),
    ]


def test_strangers() -> None:
    """Each once, administrators first, then who waits, then the widest; who is trusted is none."""
    made = status(
        PAYMENTS,
        AUDIT,
        polls={
            HERE: [answered(invited(), invited(age=9 * DAY, inviter="1"), invited(inviter="1"))],
            THERE: [answered(invited("Removed", inviter="3"), invited("Removed", inviter="1"))],
            ELSEWHERE: [
                answered(invited("Created", inviter="0"), administrator=Administrator("2", ""))
            ],
        },
        trust=TRUST,
        names={"1": "one"},
    )
    assert strangers(made.rows()) == [
        Stranger("2", "", ["audit"], 1, 1, 0, {"Enabled": 1}, None),
        Stranger("1", "one", ["payments"], 2, 0, 1, {"Invited": 1, "Removed": 1}, NOW - 9 * DAY),
        Stranger("0", "", ["audit"], 1, 0, 1, {"Created": 1}, NOW - DAY),
        Stranger("3", "", ["payments"], 1, 0, 0, {"Removed": 1}, NOW - DAY),
    ]


def test_where_trust_is_not_configured_everybody_may_be_a_stranger() -> None:
    """So that somebody can see whom to name."""
    made = status(AUDIT, polls={ELSEWHERE: [answered(invited())]})
    assert [each.account_id for each in strangers(made.rows())] == [OURS]


ASKED = "An unknown account asks to become the Macie administrator"


@pytest.mark.parametrize(
    ("answer", "changes", "expected"),
    [
        (
            answered(invited()),
            {},
            Verdict("good", "All is well: 1 target answered, and no unknown account invites"),
        ),
        (
            answered(invited()),
            {"trust": Trust()},
            Verdict("warn", "Whether unknown accounts invite cannot be told"),
        ),
        (
            answered(),
            {"trust": Trust()},
            Verdict("warn", "Whether unknown accounts invite cannot be told"),
        ),
        (
            answered(invited(inviter="1")),
            {"trust": Trust(configured=True, complete=False)},
            Verdict("warn", "Whether unknown accounts invite cannot be told"),
        ),
        (
            answered(invited("Novel", inviter="1")),
            {},
            Verdict("bad", "Unknown accounts have sent invitations"),
        ),
        (answered(invited(inviter="1")), {}, Verdict("bad", ASKED)),
        (answered(invited(inviter="1")), {"healthy": False}, Verdict("bad", ASKED)),
        (
            answered(invited("Removed", inviter="1")),
            {},
            Verdict("warn", "Invitations of unknown accounts are still to be deleted"),
        ),
        (
            answered(invited(inviter="1"), invited(inviter="2")),
            {},
            Verdict("bad", "2 unknown accounts ask to become the Macie administrator"),
        ),
        (
            answered(invited(inviter="1"), invited("Paused", inviter="2")),
            {},
            Verdict("bad", "An unknown account is the Macie administrator"),
        ),
        (
            answered(administrator=Administrator("1", "")),
            {},
            Verdict("bad", "An unknown account is the Macie administrator"),
        ),
        (
            answered(invited("Enabled", inviter="2"), administrator=Administrator("1", "")),
            {},
            Verdict("bad", "2 unknown accounts are Macie administrators"),
        ),
        (DENIED, {}, Verdict("bad", "1 of 1 target cannot be polled")),
        (DENIED, {"trust": Trust()}, Verdict("bad", "1 of 1 target cannot be polled")),
        (None, {}, Verdict("busy", "The first round is under way: 0 of 1 target polled")),
        (answered(), {"healthy": False}, Verdict("bad", "Something is wrong")),
        (answered(), {"lag": 200.0}, Verdict("bad", "Something is wrong")),
    ],
)
def test_the_verdict(
    answer: Answer | Failure | None, changes: dict[str, Any], expected: Verdict
) -> None:
    """An unknown administrator above all, then who asks, then failures; else all must be known."""
    polls = {ELSEWHERE: [answer]} if answer else {}
    made: Status = replace(status(AUDIT, polls=polls, trust=TRUST), **changes)
    rows = made.rows()
    assert verdict(made, summary(rows), strangers(rows)) == expected


def test_a_shard_speaks_for_itself() -> None:
    """Others poll the rest."""
    settings = Settings.model_validate({"shard": {"total": 2}})
    made = status(AUDIT, polls={ELSEWHERE: [answered()]}, trust=TRUST, settings=settings)
    text = verdict(made, summary(made.rows()), []).text
    assert text == "All is well: 1 target of this shard answered, and no unknown account invites"


NOT_LISTED = "AWS Organizations does not list it as an active account"
ORGANIZATION = {"organization": {"role_name": "reader"}}
FAILED = Inventory((AUDIT,), failure=DENIED)


@pytest.mark.parametrize(
    ("settings", "inventory", "expected"),
    [
        ({}, None, ["it is not among aws.accounts, and no organization is configured"]),
        (
            {"aws": ORGANIZATION},
            None,
            [NOT_LISTED],
        ),
        (
            {"aws": {"organization": {"role_name": "r", "include_ous": ["ou-ab12-11111111"]}}},
            FAILED,
            [
                "the last discovery through AWS Organizations failed",
                f"{NOT_LISTED} under aws.organization.include_ous",
            ],
        ),
        (
            {"aws": {"organization": {"role_name": "r", "exclude_accounts": [AUDIT.id]}}},
            None,
            ["aws.organization.exclude_accounts names it"],
        ),
    ],
)
def test_why_an_account_is_not_there(
    settings: dict[str, object], inventory: Inventory | None, expected: list[str]
) -> None:
    """The configuration and discovery tell."""
    made = status(settings=Settings.model_validate(settings), inventory=inventory)
    assert list(absence_reasons(AUDIT.id, made)) == expected


def test_another_shards_account_is_told_to_be_its() -> None:
    """With the number of the shard where it is to be looked for."""
    mine = shard_of(AUDIT.id, 3)
    settings = Settings.model_validate({"shard": {"total": 3, "index": (mine + 1) % 3}})
    first, *_ = absence_reasons(AUDIT.id, status(settings=settings))
    assert first == f"shard {mine} of 3 would poll it; this is shard {(mine + 1) % 3}"
