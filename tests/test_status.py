"""What pages show of everything that is known."""

import pytest

from exporter.model import Answer, Failure, Target
from exporter.settings import Settings
from exporter.sharding import shard_of
from exporter.state import TargetState
from exporter.status import Search, Status, TargetRow, counted, summary, troubles, whys
from tests.statuses import AUDIT, DAY, MINUTE, NOW, PAYMENTS, answered, invited, status

HERE, THERE = PAYMENTS.targets()
ELSEWHERE = AUDIT.targets()[0]
DENIED = Failure("AccessDenied", "not authorized", "req-1")


def row_of(made: Status, target: Target = HERE) -> TargetRow:
    """Give one target's row."""
    row = made.row(target)
    assert row is not None
    return row


def test_a_target_that_was_not_polled() -> None:
    """Nothing is known, and nothing is 0."""
    row = row_of(status(PAYMENTS))
    assert (row.state, row.account_name) == (TargetState.PENDING, "payments")
    assert (row.invitations, row.pending, row.oldest_pending) == (None, None, None)
    assert (row.last_success, row.failure, row.hint) == (None, None, "")
    assert row.next_poll == NOW + MINUTE


def test_a_target_that_answered() -> None:
    """Its invitations are counted by status; those that wait have an oldest."""
    listed = (
        invited("Removed", 9 * DAY),
        invited("Invited", 2 * DAY),
        invited("Created", 3 * DAY),
        invited("Invited", DAY),
    )
    row = row_of(status(PAYMENTS, polls={HERE: [answered(*listed)]}))
    assert row.state is TargetState.OK
    assert row.invitations == {"Created": 1, "Invited": 2, "Removed": 1}
    assert (row.pending, row.oldest_pending) == (3, NOW - 3 * DAY)
    assert row.last_success == NOW - MINUTE


def test_a_target_without_macie() -> None:
    """It answered, but there is nothing that could be counted."""
    row = row_of(status(PAYMENTS, polls={HERE: [Answer(enabled=False)]}))
    assert (row.state, row.invitations, row.pending) == (TargetState.NOT_ENABLED, None, None)


def test_a_failing_target_shows_the_last_answer_until_it_is_stale() -> None:
    """As the metrics do."""
    row = row_of(status(PAYMENTS, polls={HERE: [answered(invited()), DENIED]}))
    assert (row.state, row.pending) == (TargetState.FAILING, 1)
    row = row_of(status(PAYMENTS, polls={HERE: [answered(invited()), *[DENIED] * 20]}))
    assert (row.state, row.pending, row.oldest_pending) == (TargetState.STALE, None, None)
    assert row.failure == DENIED
    assert "trust policy" in row.hint


def test_a_target_that_is_none() -> None:
    """It has no row."""
    assert status(PAYMENTS).row(ELSEWHERE) is None


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
    assert line.oldest.knowledge.target == HERE


def test_a_fleet_of_which_nothing_is_known() -> None:
    """It has no oldest data."""
    line = summary(status(PAYMENTS).rows())
    assert (line.polled, line.pending, line.oldest_pending, line.oldest) == (0, 0, None, None)


def test_troubles_are_told_by_account_and_error_the_widest_first() -> None:
    """One broken role in twenty regions is one trouble."""
    slow = Failure("ThrottlingException", "Rate exceeded")
    made = status(PAYMENTS, AUDIT, polls={HERE: [DENIED], THERE: [DENIED], ELSEWHERE: [slow]})
    found = [(each.account_name, each.code, each.regions) for each in troubles(made.rows())]
    assert found == [
        ("payments", "AccessDenied", ("eu-west-1", "us-east-1")),
        ("audit", "ThrottlingException", ("eu-west-1",)),
    ]


NOT_LISTED = "AWS Organizations does not list it as an active account"
ORGANIZATION = {"organization": {"role_name": "reader"}}
FAILED = Search(known=True, repeats=True, last_success=0.0, failure=DENIED)


@pytest.mark.parametrize(
    ("settings", "search", "expected"),
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
    settings: dict[str, object], search: Search | None, expected: list[str]
) -> None:
    """The configuration and discovery tell."""
    made = status(settings=Settings.model_validate(settings), search=search)
    assert list(whys(AUDIT.id, made)) == expected


def test_another_shards_account_is_told_to_be_its() -> None:
    """With the number of the shard where it is to be looked for."""
    mine = shard_of(AUDIT.id, 3)
    settings = Settings.model_validate({"shard": {"total": 3, "index": (mine + 1) % 3}})
    first, *_ = whys(AUDIT.id, status(settings=settings))
    assert first == f"shard {mine} of 3 would poll it; this is shard {(mine + 1) % 3}"
