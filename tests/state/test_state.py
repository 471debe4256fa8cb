"""What is known of targets, as polls end and time passes."""

from collections.abc import Sequence
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model import Answer, Failure, Invitation, PollResult, Target
from exporter.state import Snapshot, TargetRecord, TargetState
from exporter.state.records import advance

HERE = Target("111122223333", "eu-west-1")
THERE = Target("111122223333", "us-east-1")
STALE_AFTER = 900.0

DENIED = Failure("AccessDeniedException", "no")
NOT_ENABLED = Answer(enabled=False)


def invitation(name: str = "i1", status: str = "Invited", at: float | None = 50.0) -> Invitation:
    """Make an invitation."""
    return Invitation("999988887777", name, status, at)


def listing(*invitations: Invitation) -> Answer:
    """Make an answer."""
    return Answer(enabled=True, invitations=invitations)


def polled(
    outcome: Answer | Failure, ended: float = 100.0, target: Target = HERE, duration: float = 0.5
) -> PollResult:
    """Make a poll's result."""
    return PollResult(target, ended, duration, outcome)


def after(*outcomes: Answer | Failure) -> TargetRecord:
    """Return what is known after these polls, one each 100 seconds from 100 on."""
    known = TargetRecord(HERE)
    for number, outcome in enumerate(outcomes, start=1):
        known = advance(known, polled(outcome, 100.0 * number))
    return known


def state_of(known: TargetRecord, now: float) -> TargetState:
    """Return a target's state at a time."""
    return known.as_of(now, STALE_AFTER)[0]


some_outcomes = st.lists(
    st.one_of(
        st.builds(lambda names: listing(*map(invitation, names)), st.lists(st.sampled_from("abc"))),
        st.just(NOT_ENABLED),
        st.builds(Failure, st.sampled_from(("ThrottlingException", "other")), st.just("")),
    ),
    max_size=6,
)


@given(some_outcomes)
def test_failures_change_nothing_of_what_aws_said(outcomes: Sequence[Answer | Failure]) -> None:
    """Answer, list and last success are those of the last poll that got an answer."""
    known = after(*outcomes)
    answers = [
        (100.0 * number, outcome)
        for number, outcome in enumerate(outcomes, start=1)
        if isinstance(outcome, Answer)
    ]
    ended, answer = answers[-1] if answers else (0.0, None)
    lists = [answer.invitations for _, answer in answers if answer.enabled]
    assert (known.last_success, known.answer) == (ended, answer)
    assert known.listed == (lists[-1] if lists else None)


@given(some_outcomes)
def test_the_last_poll_is_known_whatever_came_of_it(outcomes: Sequence[Answer | Failure]) -> None:
    """When the last poll ended and how is always known; a failure is one only while it lasts."""
    known = after(*outcomes)
    last = outcomes[-1] if outcomes else None
    assert known.last == (polled(last, 100.0 * len(outcomes)) if last else None)
    assert known.failure == (last if isinstance(last, Failure) else None)


@given(some_outcomes, st.floats(0, 10_000))
def test_a_state_and_what_counts_go_together(
    outcomes: Sequence[Answer | Failure], now: float
) -> None:
    """There is a state for everything, and an answer counts unless the target is stale."""
    known = after(*outcomes)
    state, answer = known.as_of(now, STALE_AFTER)
    assert answer is (None if state is TargetState.STALE else known.answer)
    assert (state is TargetState.STALE) == (now >= known.goes_stale(STALE_AFTER))


def test_an_equal_answer_is_the_same_object() -> None:
    """Readers compare by identity: the first object stays, in the last poll's result as well."""
    first = listing(invitation())
    known = after(first, listing(invitation()), DENIED, listing(invitation()))
    assert known.answer is first
    assert known.last is not None
    assert known.last.outcome is first
    assert known.listed is first.invitations


def test_states() -> None:
    """A target is pending, ok, not enabled or failing by its last poll, and stale by time."""
    now = 300.0
    assert state_of(after(), now) is TargetState.PENDING
    assert state_of(after(listing()), now) is TargetState.OK
    assert state_of(after(NOT_ENABLED), now) is TargetState.NOT_ENABLED
    assert state_of(after(NOT_ENABLED, DENIED), now) is TargetState.FAILING
    assert state_of(after(listing(), DENIED), now) is TargetState.FAILING


def test_stale_from_the_second_on() -> None:
    """The last good answer counts for less than stale_after, to the exact second."""
    known = after(listing(), DENIED)
    assert known.goes_stale(STALE_AFTER) == 1000.0
    assert state_of(known, 999.999) is TargetState.FAILING
    assert state_of(known, 1000.0) is TargetState.STALE


def test_a_clock_that_was_set_back_keeps_nothing_longer() -> None:
    """A machine may start with a date ahead: what was learnt by it is not current until then."""
    known = advance(TargetRecord(HERE), polled(listing(), 1_000_000.0))
    known = advance(known, polled(DENIED, 100.0))
    assert known.last_success == 100.0
    assert state_of(known, 100.0 + STALE_AFTER) is TargetState.STALE
    later = advance(known, polled(DENIED, 200.0))
    assert later.goes_stale(STALE_AFTER) == known.goes_stale(STALE_AFTER)


def test_a_target_that_never_answered_is_stale_once_it_has_failed_for_as_long() -> None:
    """It is failing at first, and its first failure counts however many follow."""
    known = after(DENIED, DENIED, DENIED)
    assert known.goes_stale(STALE_AFTER) == 100.0 + STALE_AFTER
    assert state_of(known, 999.999) is TargetState.FAILING
    assert state_of(known, 1000.0) is TargetState.STALE
    assert after(DENIED, listing(), DENIED).goes_stale(STALE_AFTER) == 200.0 + STALE_AFTER


@pytest.mark.parametrize("outcomes", [(), (listing(),), (NOT_ENABLED,)])
def test_only_a_failing_target_goes_stale(
    outcomes: Sequence[Answer | Failure],
) -> None:
    """A healthy target is as fresh as its interval."""
    known = after(*outcomes)
    assert known.goes_stale(STALE_AFTER) == inf
    assert state_of(known, 1e12) is not TargetState.STALE


def test_retain_knows_exactly_these() -> None:
    """New targets are pending, old ones keep what is known of them, others are gone for good."""
    snapshot = Snapshot()
    snapshot.retain([HERE])
    result = polled(listing())
    known = advance(TargetRecord(HERE), result)
    assert snapshot.record(result) == (TargetRecord(HERE), known)
    snapshot.retain([HERE, THERE])
    assert snapshot.all() == (known, TargetRecord(THERE))
    snapshot.retain([THERE])
    assert snapshot.record(result) is None
    assert snapshot.get(HERE) is None
    assert snapshot.all() == (TargetRecord(THERE),)


def test_polled() -> None:
    """All have been polled once each has, failures included; new targets count anew."""
    snapshot = Snapshot()
    assert not snapshot.polled
    snapshot.retain([])
    assert snapshot.polled
    snapshot.retain([HERE, THERE])
    snapshot.record(polled(listing()))
    snapshot.record(polled(listing()))
    assert not snapshot.polled
    snapshot.record(polled(DENIED, target=THERE))
    assert snapshot.polled
    snapshot.retain([HERE, Target("0", "eu-west-1")])
    assert not snapshot.polled
    snapshot.retain([HERE])
    assert snapshot.polled
