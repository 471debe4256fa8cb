"""What pages show of everything that is known."""

from exporter.model import NO_ADMINISTRATOR, Administrator, Answer, Failure, Target, Trust
from exporter.state import TargetState
from exporter.web.status import Relation, Status, TargetRow
from tests.statuses import AUDIT, DAY, MINUTE, NOW, PAYMENTS, answered, invited, status

HERE, THERE = PAYMENTS.targets()
ELSEWHERE = AUDIT.targets()[0]
DENIED = Failure("AccessDenied", "not authorized", "req-1")


def row_of(made: Status, target: Target = HERE) -> TargetRow:
    """Return one target's row."""
    row = made.row(target)
    assert row is not None
    return row


def test_a_target_that_was_not_polled() -> None:
    """Nothing is known, and nothing is 0."""
    row = row_of(status(PAYMENTS))
    assert (row.state, row.account.name) == (TargetState.PENDING, "payments")
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


OURS = Trust(configured=True, accounts=frozenset({"999988887777"}))


def test_who_is_not_trusted_comes_first() -> None:
    """Then who administers, who waits, and the newest; with names where they are known."""
    listed = (
        invited("Removed", DAY, "1"),
        invited("Created", 3 * DAY, "2"),
        invited("Invited", 2 * DAY, "3"),
        invited("Enabled", 4 * DAY, "4"),
        invited("Enabled", DAY),
    )
    answer = answered(*listed, administrator=Administrator("5", ""))
    made = status(PAYMENTS, polls={HERE: [answer]}, trust=OURS, names={"5": "five"})
    row = row_of(made)
    assert [each.account_id for each in row.relations()] == [*"45321", "999988887777"]
    assert row.relations()[1] == Relation("5", "five", "", None, trusted=False, in_fact=True)
    assert row.untrusted == 4


def test_what_is_not_known_of_trust_is_not_zero() -> None:
    """Neither without a setting, nor before an answer, nor where Macie is not enabled."""
    told = row_of(status(PAYMENTS, polls={HERE: [answered(invited())]}))
    assert (told.untrusted, [each.trusted for each in told.relations()]) == (None, [None])
    assert row_of(status(PAYMENTS, trust=OURS)).untrusted is None
    unsaid = Trust(configured=True, complete=False)
    polls = {HERE: [answered(invited())]}
    assert row_of(status(PAYMENTS, polls=polls, trust=unsaid)).untrusted is None
    off = status(PAYMENTS, polls={HERE: [Answer(enabled=False)]}, trust=OURS)
    assert row_of(off).untrusted is None
    none = Answer(enabled=True, administrator=NO_ADMINISTRATOR)
    row = row_of(status(PAYMENTS, polls={HERE: [none]}, trust=OURS))
    assert (row.untrusted, row.relations()) == (0, [])
