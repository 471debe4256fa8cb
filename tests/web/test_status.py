"""What pages show of everything that is known."""

from exporter.model import NO_ADMINISTRATOR, Administrator, Answer, Failure, Target, Trust
from exporter.state import TargetState
from exporter.web.status import Relation, Status, TargetRow
from tests.statuses import AUDIT, DAY, PAYMENTS, answered, invited, status

HERE, THERE = PAYMENTS.targets()
ELSEWHERE = AUDIT.targets()[0]
DENIED = Failure("AccessDenied", "not authorized", "req-1")


def row_of(made: Status, target: Target = HERE) -> TargetRow:
    """Return one target's row."""
    row = made.row(target)
    assert row is not None
    return row


def test_a_failing_target_shows_the_last_answer_until_it_is_stale() -> None:
    """As the metrics do."""
    row = row_of(status(PAYMENTS, polls={HERE: [answered(invited()), DENIED]}))
    assert (row.state, row.pending) == (TargetState.FAILING, 1)
    row = row_of(status(PAYMENTS, polls={HERE: [answered(invited()), *[DENIED] * 20]}))
    assert (row.state, row.pending, row.oldest_pending) == (TargetState.STALE, None, None)
    assert row.failure == DENIED
    assert "trust policy" in row.hint


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
