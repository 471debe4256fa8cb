"""The schedule, driven step by step over a time that the tests choose."""

import itertools
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model import Target
from exporter.schedule import Schedule

INTERVAL = 300.0
TARGETS = [Target(f"{number:012d}", "eu-west-1") for number in range(200)]


def schedule(
    targets: list[Target], *, interval: float = INTERVAL, concurrency: int = 8
) -> Schedule:
    """Return a schedule in which every target is due at second 0."""
    made = Schedule(interval, concurrency, random.Random(1))
    made.set_targets(targets, 0.0)
    return made


def pop_all(made: Schedule, now: float) -> list[Target]:
    """Take everything that is due."""
    return list(iter(lambda: made.pop_due(now), None))


def next_poll(made: Schedule, target: Target) -> float | None:
    """Return the time of a target's next poll; None while one is under way."""
    return dict(made.next_polls()).get(target)


def first_round(made: Schedule, code: str | None = None) -> None:
    """Poll every target once, with an answer or a failure."""
    for target in pop_all(made, 0.0):
        made.finish(target, code, 0.0)


def test_first_round_is_due_at_once_with_accounts_mixed() -> None:
    """Every target is polled right after the start, none twice, an account's regions apart."""
    regions = [Target(f"{n:012d}", region) for n in range(50) for region in ("a", "b", "c", "d")]
    made = schedule(regions)
    taken = pop_all(made, 0.0)
    assert sorted(taken) == sorted(regions)
    assert made.pop_due(0.0) is None
    neighbours = [a.account_id == b.account_id for a, b in itertools.pairwise(taken)]
    assert sum(neighbours) < 20


def test_overdue_are_those_that_wait_since_a_moment() -> None:
    """Neither what was never polled, nor what is under way, nor what is gone."""
    made = schedule(TARGETS)
    assert made.overdue(1e9) == []
    first_round(made)
    at = dict(made.next_polls())
    for moment in (0.0, INTERVAL / 2, INTERVAL, 3 * INTERVAL):
        assert set(made.overdue(moment)) == {t for t in TARGETS if at[t] <= moment}
    under_way = {target for target in (made.pop_due(INTERVAL) for _ in range(5)) if target}
    assert len(under_way) == 5
    assert set(made.overdue(INTERVAL)) == set(TARGETS) - under_way
    made.set_targets(TARGETS[:50], INTERVAL)
    assert set(made.overdue(INTERVAL)) == set(TARGETS[:50]) - under_way


def test_after_the_first_round_polls_are_spread_over_the_interval() -> None:
    """Each tenth of the interval gets about a tenth of the polls, and each target exactly one."""
    made = schedule(TARGETS)
    first_round(made)
    tenths = []
    polled: Counter[Target] = Counter()
    for tenth in range(10):
        due = pop_all(made, (tenth + 1) * INTERVAL / 10)
        tenths.append(len(due))
        polled.update(due)
    assert polled == Counter(TARGETS)
    assert min(tenths) > 5
    assert max(tenths) < 40


def test_a_target_keeps_its_moment_in_every_interval() -> None:
    """However late a poll ends, the next is at the target's own moment again."""
    target = TARGETS[0]
    made = schedule([target])
    first_round(made)
    first = next_poll(made, target)
    assert first is not None
    made.pop_due(first + 20)
    made.finish(target, None, first + 25)
    assert next_poll(made, target) == pytest.approx(first + INTERVAL)


def test_a_target_that_left_during_its_poll_is_forgotten() -> None:
    """It is never due again."""
    made = schedule(TARGETS[:1])
    made.pop_due(0.0)
    made.set_targets([], 1.0)
    made.finish(TARGETS[0], None, 2.0)
    assert made.wait(3.0) == float("inf")
    assert next_poll(made, TARGETS[0]) is None


def test_new_targets_are_due_at_once_and_old_ones_keep_their_time() -> None:
    """An account that joins does not wait for its moment, nor does it move the others."""
    made = schedule(TARGETS[:2])
    first_round(made)
    before = [next_poll(made, target) for target in TARGETS[:2]]
    made.set_targets(TARGETS[:3], 5.0)
    assert next_poll(made, TARGETS[2]) == 5.0
    assert [next_poll(made, target) for target in TARGETS[:2]] == before


@pytest.mark.parametrize("code", ["ThrottlingException", "InternalServerException", "ReadTimeout"])
def test_transient_failures_back_off_but_come_sooner_than_the_interval(code: str) -> None:
    """Throttled targets are polled again soon, then less and less soon, never later than usual."""
    target = TARGETS[0]
    made = schedule([target])
    pauses, now = [], 0.0
    for _ in range(8):
        made.pop_due(now)
        made.finish(target, code, now)
        following = next_poll(made, target)
        assert following is not None
        pauses.append(following - now)
        now = following
    assert pauses[0] <= INTERVAL / 8
    assert max(pauses) <= INTERVAL
    assert pauses[1] > pauses[0]
    # Targets that were throttled together do not come back together.
    together = schedule(TARGETS)
    first_round(together, code)
    assert len({next_poll(together, target) for target in TARGETS}) == len(TARGETS)


@pytest.mark.parametrize("code", ["AccessDeniedException", "ResourceNotFoundException", "other"])
def test_lasting_failures_are_not_hammered(code: str) -> None:
    """A denied target is polled at its own moment, no sooner and no later than a healthy one."""
    denied, healthy = schedule(TARGETS[:1]), schedule(TARGETS[:1])
    first_round(denied, code)
    first_round(healthy)
    assert next_poll(denied, TARGETS[0]) == next_poll(healthy, TARGETS[0])


def test_back_off_starts_anew_after_an_answer() -> None:
    """What a target did before its last answer does not count."""
    target = TARGETS[0]
    made = schedule([target])
    for _ in range(6):
        made.pop_due(1e6)
        made.finish(target, "ThrottlingException", 1e6)
    made.pop_due(2e6)
    made.finish(target, None, 2e6)
    made.pop_due(3e6)
    made.finish(target, "ThrottlingException", 3e6)
    following = next_poll(made, target)
    assert following is not None
    assert following - 3e6 <= INTERVAL / 8


def test_hanging_targets_take_at_most_a_quarter_of_the_places() -> None:
    """With every hanging target due, the others still start; the hanging ones take turns."""
    made = schedule(TARGETS, concurrency=8)
    hanging, healthy = TARGETS[:100], TARGETS[100:]
    for target in pop_all(made, 0.0):
        hung = target in set(hanging)
        made.finish(target, "ReadTimeout" if hung else None, 0.0)
    started = pop_all(made, INTERVAL)
    assert set(healthy) <= set(started)
    slow = [target for target in started if target in set(hanging)]
    assert len(slow) == 2
    made.finish(slow[0], None, INTERVAL)
    assert made.pop_due(INTERVAL) in set(hanging)


def test_a_hanging_target_that_leaves_gives_its_place_to_the_next() -> None:
    """The share of hanging targets is not used up by those that are gone."""
    made = schedule(TARGETS[:3], concurrency=4)
    first_round(made, "ReadTimeout")
    first = made.pop_due(INTERVAL)
    assert first is not None
    assert made.pop_due(INTERVAL) is None
    made.set_targets([target for target in TARGETS[:3] if target != first], INTERVAL)
    made.finish(first, "ReadTimeout", INTERVAL)
    assert made.pop_due(INTERVAL) is not None


def test_lag_is_that_of_the_last_start_or_of_the_longest_wait() -> None:
    """Saturation shows before a place is free again, and goes when polls start in time."""
    made = schedule(TARGETS[:2])
    assert made.lag(0.0) == 0.0
    made.pop_due(3.0)
    assert made.lag(3.0) == 3.0
    assert made.lag(10.0) == 10.0
    made.pop_due(10.0)
    assert made.lag(11.0) == 10.0


def test_a_new_interval_holds_from_the_next_poll_on() -> None:
    """After a reload each target's next poll is within the new interval."""
    made = schedule(TARGETS)
    first_round(made)
    made.pop_due(INTERVAL)
    made.set_pace(60.0, 4, 10.0)
    for target in TARGETS:
        at = next_poll(made, target)
        assert at is None or 10.0 < at <= 70.0
    made.set_pace(60.0, 2, 10.0)
    assert made.wait(10.0) <= 60.0


def test_what_was_never_polled_stays_due_at_once_whatever_the_interval() -> None:
    """A reload in the first round, to an interval of a day: nobody waits a day for a first poll."""
    made = schedule(TARGETS)
    polled = made.pop_due(0.0)
    assert polled is not None
    made.finish(polled, None, 1.0)
    made.set_pace(86_400.0, 8, 1.0)
    assert set(pop_all(made, 1.0)) == set(TARGETS) - {polled}
    at = next_poll(made, polled)
    assert at is not None
    assert 1.0 < at <= 86_401.0


def test_poll_soon_makes_targets_due_now() -> None:
    """Those that wait: not twice, nor beside a poll that is under way, nor what is no target."""
    made = schedule(TARGETS[:3])
    first_round(made)
    made.poll_soon([*TARGETS[:2], TARGETS[9]], 5.0)
    assert set(pop_all(made, 5.0)) == set(TARGETS[:2])
    made.poll_soon(TARGETS[:2], 5.0)
    assert made.pop_due(5.0) is None
    made.finish(TARGETS[0], None, 6.0)
    at = next_poll(made, TARGETS[0])
    assert at is not None
    assert 6.0 < at <= 6.0 + INTERVAL


def test_poll_soon_does_not_put_off_what_is_due_already() -> None:
    """What waits since long waits no longer for it; its lag stays true."""
    made = schedule(TARGETS[:1])
    made.poll_soon(TARGETS[:1], 5.0)
    assert made.lag(10.0) == 10.0


OUTCOMES = ("ok", "ReadTimeout", "ThrottlingException", "AccessDenied", "leave", "soon", "pace")


@given(
    st.lists(
        st.tuples(
            st.floats(0.0, 90.0),
            st.sampled_from(OUTCOMES),
        ),
        max_size=60,
    )
)
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
                made.set_targets([other for other in targets if other != target], now)
                made.set_targets(targets, now)
            if outcome == "soon":
                made.poll_soon(targets, now)
            if outcome == "pace":
                made.set_pace(INTERVAL, 3, now)
            ok = outcome in {"ok", "leave", "soon", "pace"}
            made.finish(target, None if ok else outcome, now)
        for target in targets:
            at = next_poll(made, target)
            assert (at is None) == (target in running)
            assert at is None or at <= now + INTERVAL
