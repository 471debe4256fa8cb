"""The schedule, driven step by step over a time that the tests choose."""

import itertools
import random
from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.model import Target
from exporter.schedule import Schedule

INTERVAL = 300.0
TARGETS = [Target(f"{number:012d}", "eu-west-1") for number in range(200)]
TARGET = TARGETS[0]


def schedule(
    targets: list[Target], *, interval: float = INTERVAL, concurrency: int = 8
) -> Schedule:
    """Return a schedule in which every target is due at second 0."""
    made = Schedule(interval, concurrency, random.Random(1))
    made.change_targets([], targets, 0.0)
    return made


def pop_all(made: Schedule, now: float) -> list[Target]:
    """Take everything that is due."""
    return list(iter(lambda: made.pop_due(now), None))


def next_poll(made: Schedule, target: Target) -> float | None:
    """Return the time of a target's next poll; None while one is under way."""
    return dict(made.next_polls()).get(target)


def after_first_round(targets: list[Target], code: str | None = None, **named: int) -> Schedule:
    """Return a schedule whose targets have all been polled once, with an answer or a failure."""
    made = schedule(targets, **named)
    for target in pop_all(made, 0.0):
        made.finish(target, code, 0.0)
    return made


def pause_after(made: Schedule, code: str | None, now: float) -> float:
    """Poll the target; return the seconds until its next poll."""
    assert made.pop_due(now) == TARGET
    made.finish(TARGET, code, now)
    following = next_poll(made, TARGET)
    assert following is not None
    return following - now


def test_first_round_is_due_at_once_with_accounts_mixed() -> None:
    """Every target is polled right after the start, none twice, an account's regions apart."""
    regions = [Target(f"{n:012d}", region) for n in range(50) for region in ("a", "b", "c", "d")]
    made = schedule(regions)
    taken = pop_all(made, 0.0)
    assert sorted(taken) == sorted(regions)
    assert made.pop_due(0.0) is None
    neighbours = [a.account_id == b.account_id for a, b in itertools.pairwise(taken)]
    assert sum(neighbours) < 20


def test_after_the_first_round_polls_are_spread_over_the_interval() -> None:
    """Each tenth of the interval gets about a tenth of the polls, and each target exactly one.

    However late a poll ends, the next is at the target's own moment again.
    """
    made = after_first_round(TARGETS)
    moments = dict(made.next_polls())
    tenths = [pop_all(made, (tenth + 1) * INTERVAL / 10) for tenth in range(10)]
    assert Counter(itertools.chain(*tenths)) == Counter(TARGETS)
    assert all(5 < len(due) < 40 for due in tenths)
    for target, moment in moments.items():
        made.finish(target, None, moment + 25)
        assert next_poll(made, target) == pytest.approx(moment + INTERVAL)


@pytest.mark.parametrize("code", ["ThrottlingException", "InternalServerException", "ReadTimeout"])
def test_transient_failures_back_off_but_come_sooner_than_the_interval(code: str) -> None:
    """Throttled targets are polled again soon, then less and less soon, never later than usual.

    After an answer that begins anew, and those that were throttled together do not come together.
    """
    made = schedule([TARGET])
    pauses, now = list[float](), 0.0
    for _ in range(8):
        pauses.append(pause_after(made, code, now))
        now += pauses[-1]
    assert pauses[0] <= INTERVAL / 8
    assert pauses[1] > pauses[0]
    assert max(pauses) <= INTERVAL
    pause_after(made, None, 2e6)
    assert pause_after(made, code, 3e6) <= INTERVAL / 8
    together = after_first_round(TARGETS, code)
    assert len({at for _, at in together.next_polls()}) == len(TARGETS)


@pytest.mark.parametrize("code", ["AccessDeniedException", "ResourceNotFoundException", "other"])
def test_lasting_failures_are_not_hammered(code: str) -> None:
    """A denied target is polled at its own moment, no sooner and no later than a healthy one."""
    denied, healthy = after_first_round(TARGETS[:1], code), after_first_round(TARGETS[:1])
    assert denied.next_polls() == healthy.next_polls()


def test_hanging_targets_take_at_most_a_quarter_of_the_places() -> None:
    """With every hanging target due, the others still start; the hanging ones take turns."""
    hanging, healthy = set(TARGETS[:100]), set(TARGETS[100:])
    made = schedule(TARGETS, concurrency=8)
    for target in pop_all(made, 0.0):
        made.finish(target, "ReadTimeout" if target in hanging else None, 0.0)
    started = pop_all(made, INTERVAL)
    assert healthy <= set(started)
    slow = [target for target in started if target in hanging]
    assert len(slow) == 2
    # One that is well again gives its place to the next, and so does one that is gone.
    made.finish(slow[0], None, INTERVAL)
    assert made.pop_due(INTERVAL) in hanging
    assert made.pop_due(INTERVAL) is None
    made.change_targets([slow[1]], [], INTERVAL)
    made.finish(slow[1], "ReadTimeout", INTERVAL)
    assert made.pop_due(INTERVAL) in hanging


def test_a_hanging_target_waits_for_those_that_are_due_before_it() -> None:
    """With one place it would have that again and again, and the others never."""
    made = schedule(TARGETS[:2], concurrency=1)
    hanging, healthy = pop_all(made, 0.0)
    made.finish(healthy, None, 0.0)
    made.finish(hanging, "ReadTimeout", INTERVAL)
    assert pop_all(made, 2 * INTERVAL) == [healthy, hanging]


def test_overdue_are_those_that_wait_since_a_moment() -> None:
    """Neither what was never polled, nor what is under way, nor what is gone."""
    assert schedule(TARGETS).overdue(1e9) == []
    made = after_first_round(TARGETS)
    at = dict(made.next_polls())
    for moment in (0.0, INTERVAL / 2, INTERVAL, 3 * INTERVAL):
        assert set(made.overdue(moment)) == {t for t in TARGETS if at[t] <= moment}
    under_way = {made.pop_due(INTERVAL) for _ in range(5)}
    assert len(under_way & {*TARGETS}) == 5
    made.change_targets(TARGETS[50:], [], INTERVAL)
    assert set(made.overdue(INTERVAL)) == set(TARGETS[:50]) - under_way


def test_lag_is_that_of_the_last_start_or_of_the_longest_wait() -> None:
    """Saturation shows before a place is free again, and goes when polls start in time."""
    made = schedule(TARGETS[:2])
    assert made.lag(0.0) == 0.0
    made.pop_due(3.0)
    assert made.lag(3.0) == 3.0
    # What waits since long is not put off by a wish to poll it soon.
    made.poll_soon(TARGETS[:2], 5.0)
    assert made.lag(10.0) == 10.0
    made.pop_due(10.0)
    assert made.lag(11.0) == 10.0


def test_a_new_interval_holds_from_the_next_poll_on() -> None:
    """After a reload each target's next poll is within the new interval.

    What was never polled is due at once and stays so: nobody waits a day for a first poll. It does
    not move the others.
    """
    made, new = after_first_round(TARGETS), Target("999999999999", "eu-west-1")
    before = dict(made.next_polls())
    made.change_targets([], [new], 10.0)
    assert dict(made.next_polls()) == {**before, new: 10.0}
    for interval, now in ((60.0, 10.0), (86_400.0, 20.0)):
        made.set_pace(interval, 4, now)
        at = dict(made.next_polls())
        assert at.pop(new) == 10.0
        assert all(now < each <= now + interval for each in at.values())
    assert made.pop_due(20.0) == new
    assert 0 < made.wait(20.0) <= 86_400.0


OUTCOMES = ("ok", "ReadTimeout", "ThrottlingException", "AccessDenied", "leave", "soon", "pace")


@given(st.lists(st.tuples(st.floats(0.0, 90.0), st.sampled_from(OUTCOMES)), max_size=60))
@example([(0.0, "soon")] * 6)  # While the other four are under way.
def test_no_target_is_ever_lost_or_taken_twice(steps: list[tuple[float, str]]) -> None:
    """Whatever happens, each target is either under way once or has a next poll within bounds."""
    targets = TARGETS[:5]
    made = schedule(targets, concurrency=4)
    running: list[Target] = []
    now = 0.0
    for seconds, outcome in steps:
        now += seconds
        due = made.pop_due(now)
        if due is not None:
            assert due not in running
            running.append(due)
        elif running:
            target = running.pop(0)
            if outcome == "leave":
                made.change_targets([target], [], now)
                made.change_targets([], [target], now)
            if outcome == "soon":
                made.poll_soon([*targets, TARGETS[9]], now)  # The last is none.
            if outcome == "pace":
                made.set_pace(INTERVAL, 3, now)
            ok = outcome in {"ok", "leave", "soon", "pace"}
            made.finish(target, None if ok else outcome, now)
        for target in targets:
            at = next_poll(made, target)
            assert (at is None) == (target in running)
            assert at is None or at <= now + INTERVAL
    # What is gone when its poll ends is forgotten.
    made.change_targets(targets, [], now)
    for target in running:
        made.finish(target, None, now)
    assert (made.next_polls(), made.wait(now)) == ([], float("inf"))
