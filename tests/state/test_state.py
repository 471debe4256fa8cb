"""What is known of targets, as polls end and time passes."""

import sys
from collections.abc import Sequence
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.error_codes import ERRORS
from exporter.model import (
    KNOWN_STATUSES,
    OTHER_STATUS,
    UNKNOWN_STATUS,
    Answer,
    Failure,
    Invitation,
    PollResult,
    Target,
)
from exporter.state import Snapshot, TargetRecord, TargetState
from exporter.state.history import recall
from exporter.state.records import advance

HERE = Target("111122223333", "eu-west-1")
THERE = Target("111122223333", "us-east-1")
STALE_AFTER = 900.0

DENIED = Failure("AccessDeniedException", "no")
NOT_ENABLED = Answer(enabled=False)


def listing(*names: str) -> Answer:
    """Make an answer that lists invitations."""
    listed = (Invitation("999988887777", name, "Invited", 50.0) for name in names)
    return Answer(enabled=True, invitations=tuple(listed))


def after(*outcomes: Answer | Failure) -> TargetRecord:
    """Return what is known after these polls, one each 100 seconds from 100 on."""
    known = TargetRecord(HERE)
    for number, outcome in enumerate(outcomes, start=1):
        known = advance(known, PollResult(HERE, 100.0 * number, 0.5, outcome))
    return known


@pytest.mark.parametrize(
    ("outcomes", "state", "stale_from"),
    [
        ((), TargetState.PENDING, inf),
        ((listing(),), TargetState.OK, inf),
        ((NOT_ENABLED,), TargetState.NOT_ENABLED, inf),
        ((NOT_ENABLED, DENIED), TargetState.FAILING, 100 + STALE_AFTER),
        ((listing(), DENIED), TargetState.FAILING, 100 + STALE_AFTER),
        ((DENIED, DENIED, DENIED), TargetState.FAILING, 100 + STALE_AFTER),
        ((DENIED, listing(), DENIED), TargetState.FAILING, 200 + STALE_AFTER),
    ],
)
def test_states(
    outcomes: Sequence[Answer | Failure], state: TargetState, stale_from: float
) -> None:
    """By the last poll, and by time where it failed: a healthy target is as fresh as its interval.

    To the exact second stale_after the last answer; where there never was one, the first failure.
    """
    known = after(*outcomes)
    assert known.goes_stale(STALE_AFTER) == stale_from
    before = min(stale_from, 1e12) - 0.001
    assert known.as_of(before, STALE_AFTER)[0] is state
    if stale_from < inf:
        assert known.as_of(stale_from, STALE_AFTER) == (TargetState.STALE, None)


@pytest.mark.parametrize("code", sorted(ERRORS))
def test_the_last_polls_come_back_latest_first(code: str) -> None:
    """Whatever they were, an hour of them at the default interval, in 300 bytes.

    What does not fit breaks no poll: the most pages that do, and `other` for a code nobody knows.
    """
    surprising = (Answer(enabled=True, pages=10**9), Failure("Surprise", ""))
    usual = (Answer(enabled=True, invitations=listing(*"abc").invitations), NOT_ENABLED)
    polls = after(*surprising * 9, *(*usual, Failure(code, "why")) * 2, *surprising * 3).polls
    found = recall(polls)
    assert [each.ended for each in found] == [100.0 * number for number in range(30, 18, -1)]
    assert [each[1:] for each in found] == [
        *[(0.5, 0, 0, "other"), (0.5, 0, 65535, "ok")] * 3,
        *[(0.5, 0, 0, code), (0.5, 0, 1, "not_enabled"), (0.5, 3, 1, "ok")] * 2,
    ]
    assert sys.getsizeof(polls) <= 300


def test_a_clock_that_was_set_back_keeps_nothing_longer() -> None:
    """A machine may start with a date ahead: what was learnt by it is not current until then."""
    known = advance(TargetRecord(HERE), PollResult(HERE, 1_000_000.0, 0.5, listing()))
    known = advance(known, PollResult(HERE, 100.0, 0.5, DENIED))
    assert known.goes_stale(STALE_AFTER) == 100.0 + STALE_AFTER
    later = advance(known, PollResult(HERE, 200.0, 0.5, DENIED))
    assert later.goes_stale(STALE_AFTER) == known.goes_stale(STALE_AFTER)


def test_what_targets_there_are_changes() -> None:
    """New targets are pending, old ones keep what is known of them, others are gone for good.

    All have been polled once each has, failures included; new ones count anew. To say the same
    again changes nothing: an error may have left it half done.
    """
    snapshot, result = Snapshot(), PollResult(HERE, 100.0, 0.5, listing())
    snapshot.change([], [TargetRecord(HERE)])
    known = advance(TargetRecord(HERE), result)
    assert snapshot.record(result) == (TargetRecord(HERE), known)
    assert snapshot.polled
    for _ in range(2):
        snapshot.change([], map(TargetRecord, (HERE, THERE)))
        assert snapshot.all() == (known, TargetRecord(THERE))
    polled = []
    for target, outcome in ((HERE, listing()), (THERE, DENIED)):
        snapshot.record(PollResult(target, 100.0, 0.5, outcome))
        polled.append(snapshot.polled)
    for _ in range(2):
        snapshot.change([HERE], [])
    assert (snapshot.record(result), snapshot.get(HERE)) == (None, None)
    assert [each.target for each in snapshot.all()] == [THERE]
    for gone, new in (([THERE], [HERE]), ([HERE], [])):
        snapshot.change(gone, map(TargetRecord, new))
        polled.append(snapshot.polled)
    assert polled == [False, True, False, True]


MOST_UNKNOWN = 32
ALWAYS = (*KNOWN_STATUSES, UNKNOWN_STATUS, OTHER_STATUS)

made_up = st.builds(
    lambda first, many: [f"Made{number}Up" for number in range(first, first + many)],
    st.integers(0, MOST_UNKNOWN),
    st.integers(0, 2 * MOST_UNKNOWN),
)
statuses = st.builds(list.__add__, made_up, st.lists(st.sampled_from(ALWAYS), max_size=5))


@given(st.lists(st.tuples(st.sampled_from((HERE, THERE)), statuses), min_size=1, max_size=6))
def test_statuses_are_bounded_and_no_invitation_is_lost(
    polled: list[tuple[Target, list[str]]],
) -> None:
    """Others make them up: the first few have a name and keep it, the others are `other`."""
    snapshot, named = Snapshot(), set[str]()
    snapshot.change((), map(TargetRecord, (HERE, THERE)))
    for target, names in polled:
        sent = tuple(Invitation("1", f"i{at}", name, None) for at, name in enumerate(names))
        snapshot.record(PollResult(target, 1.0, 0.5, Answer(enabled=True, invitations=sent)))
        known = snapshot.get(target)
        assert known is not None
        assert known.listed is not None
        shown = [each.relationship_status for each in known.listed]
        named |= {*shown} - {*ALWAYS}
        assert len(named) <= MOST_UNKNOWN
        assert shown == [
            name if name in named or name in ALWAYS else OTHER_STATUS for name in names
        ]
