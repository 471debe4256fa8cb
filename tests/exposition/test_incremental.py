"""The cache renders what changed and no more, and what it gives is what a fresh one would give."""

import gzip
import threading
import tracemalloc
from collections.abc import Callable

import pytest
from exporter.exposition.column import BLOCK
from exporter.exposition.tally import Options
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from exporter.model import Account, Answer, Failure, Target
from exporter.snapshot import FAILURES_KEPT
from tests.exposition.scene import (
    AUDIT,
    DAY,
    EDGES,
    HOUR,
    NOW,
    PAYMENTS,
    STALE_AFTER,
    Scene,
    invitation,
    options,
)
from tests.exposition.strategies import TARGETS, all_options, outcomes


class Incremental(RuleBasedStateMachine):
    """Anything may happen between two scrapes."""

    @initialize(shows=all_options())
    def start(self, shows: Options) -> None:
        """Start with most targets."""
        self.scene = Scene(*TARGETS[:4], shows=shows)

    @rule(found=st.sets(st.sampled_from(TARGETS)))
    def discover(self, found: set[Target]) -> None:
        """Have discovery find other targets."""
        self.scene.snapshot.retain(sorted(found, reverse=True))

    @rule(polls=st.lists(st.tuples(st.sampled_from(TARGETS), outcomes), min_size=1, max_size=4))
    def poll(self, polls: list[tuple[Target, Answer | Failure]]) -> None:
        """Have some polls end."""
        for target, outcome in polls:
            self.scene.polled(target, outcome)

    @rule(seconds=st.sampled_from((0.001, 1.0, 300.0, STALE_AFTER, DAY, 30 * DAY, 2.5)))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.scene.clock.advance(seconds)

    @rule(seconds=st.sampled_from((0.001, 1.0, STALE_AFTER, DAY)))
    def set_the_clock_back(self, seconds: float) -> None:
        """Have somebody set the clock."""
        self.scene.clock.advance(-seconds)

    @rule(name=st.text(max_size=3))
    def rename(self, name: str) -> None:
        """Have an account get another name."""
        self.scene.accounts = (Account(TARGETS[0].account_id, name),)

    @rule(shows=all_options(), stale_after=st.sampled_from((STALE_AFTER, DAY)))
    def reload(self, shows: Options, stale_after: float) -> None:
        """Have somebody reload the configuration."""
        self.scene.reloaded(shows, stale_after)

    @rule()
    def scrape(self) -> None:
        """Compare with a rendering from nothing; text and gzip alike."""
        text = self.scene.cache.text()
        assert text == self.scene.another_cache().text()
        assert gzip.decompress(self.scene.cache.packed()) == text


def test_incremental_is_as_good_as_fresh() -> None:
    """Whatever happens between scrapes, each is what a rendering from nothing would be."""
    thorough = settings(max_examples=120, stateful_step_count=30)
    run_state_machine_as_test(Incremental, settings=thorough)


def renders(scene: Scene) -> Callable[[], int]:
    """Give a function that scrapes, and says how many rows that rendered."""

    def scrape() -> int:
        before = scene.cache.renders
        scene.text()
        return scene.cache.renders - before

    return scrape


def many(count: int) -> list[Target]:
    """Make targets, in the order of their rows."""
    return [Target(f"{number:012d}", "eu-west-1") for number in range(count)]


def test_nothing_changed_renders_nothing() -> None:
    """A second scrape renders no row, nor does one a moment later."""
    scene = Scene(PAYMENTS, AUDIT)
    scene.answered(PAYMENTS, invitation())
    scrape = renders(scene)
    assert [scrape(), scrape()] == [2, 0]
    scene.clock.advance(HOUR)
    assert scrape() == 0


def test_one_poll_renders_one_row() -> None:
    """Of many targets only the one that was polled is rendered, changed or not."""
    targets = many(1000)
    scene = Scene(*targets)
    scrape = renders(scene)
    assert scrape() == 1000
    scene.answered(targets[500], invitation())
    assert scrape() == 1
    scene.answered(targets[500], invitation())
    assert scrape() == 1


def test_a_reload_renders_what_it_changes() -> None:
    """Nothing where the exposition is to be as it was; otherwise every row, once."""
    scene = Scene(*many(10), shows=options(trusted=["1"]))
    scrape = renders(scene)
    scrape()
    scene.reloaded(options(trusted=["1"]))
    assert scrape() == 0
    scene.reloaded(options(trusted=["2"]))
    assert [scrape(), scrape()] == [10, 0]
    scene.reloaded(options(trusted=["2"], edges=EDGES[:2]))
    assert [scrape(), scrape()] == [10, 0]
    scene.reloaded(options(trusted=["2"], edges=EDGES[:2]), DAY)
    assert [scrape(), scrape()] == [10, 0]


def test_an_age_edge_renders_those_that_cross_it() -> None:
    """At the edge, and not before, the rows of the invitations that cross it are rendered."""
    old, young, none = many(3)
    scene = Scene(old, young, none)
    scene.answered(old, invitation("a", at=NOW - DAY + 10), invitation("b", at=NOW - DAY + 10))
    scene.answered(young, invitation("c", at=NOW - DAY + 20))
    scene.answered(none)
    scrape = renders(scene)
    scrape()
    scene.clock.advance(9.999)
    assert scrape() == 0
    scene.clock.advance(0.001)
    assert [scrape(), scrape()] == [1, 0]
    assert 'age_bucket="01d-07d",aws_account_id="000000000000"' in scene.invitations()
    scene.clock.advance(10)
    assert [scrape(), scrape()] == [1, 0]


def test_going_stale_renders_once() -> None:
    """A failing target is rendered when it goes stale, however often it was polled before."""
    scene = Scene(PAYMENTS, AUDIT)
    scene.answered(PAYMENTS, invitation())
    scrape = renders(scene)
    scrape()
    for _ in range(8):
        scene.clock.advance(100)
        scene.failed(PAYMENTS)
        assert scrape() == 1
    scene.clock.advance(100)
    assert [scrape(), scrape()] == [1, 0]
    scene.clock.advance(DAY)
    assert scrape() == 0


def test_targets_that_come_and_go_leave_the_others_alone() -> None:
    """A new target renders one row, one that goes none."""
    targets = many(600)
    scene = Scene(*targets[1:])
    scrape = renders(scene)
    scrape()
    scene.snapshot.retain(targets)
    assert scrape() == 1
    scene.snapshot.retain(targets[300:])
    assert scrape() == 0
    assert scene.cache.text() == scene.another_cache().text()


def test_a_clock_that_is_set_back_makes_invitations_younger() -> None:
    """Ages are as of the scrape's own time, whichever way the clock went."""
    scene = Scene(PAYMENTS)
    scene.answered(PAYMENTS, invitation(at=NOW - DAY))
    assert 'age_bucket="01d-07d"' in scene.text()
    scene.clock.advance(-1)
    assert 'age_bucket="00d-01d"' in scene.text()


def test_a_clock_that_is_set_back_takes_staleness_back() -> None:
    """A target that is no longer stale shows its last good values again."""
    scene = Scene(PAYMENTS)
    scene.answered(PAYMENTS, invitation())
    scene.failed(PAYMENTS)
    scene.clock.advance(STALE_AFTER)
    assert scene.lines().count("macie_invitations{") == 0
    scene.clock.advance(-1)
    assert scene.lines().count("macie_invitations{") == 1


def test_single_invitations_follow_their_poll() -> None:
    """An answer that differs shows in the series of single invitations at the next scrape."""
    scene = Scene(PAYMENTS, shows=options(most=10))
    scene.answered(PAYMENTS, invitation("before"))
    assert 'invitation_id="before"' in scene.text()
    scene.answered(PAYMENTS, invitation("after"))
    assert 'invitation_id="after"' in scene.text()
    assert 'invitation_id="before"' not in scene.text()


def test_rows_beyond_a_block() -> None:
    """Rows in several blocks, changed here and there, longer and shorter, stay each their own."""
    targets = many(2 * BLOCK + 10)
    scene = Scene(*targets, shows=options(trusted=["1"]))
    for number, target in enumerate(targets):
        scene.answered(target, *(invitation(f"i{n}", f"Status{n}") for n in range(number % 3)))
    scene.text()
    for number in (0, 1, 5, BLOCK - 1, BLOCK, 2 * BLOCK, 2 * BLOCK + 9):
        scene.answered(targets[number], invitation("new", "Other"), invitation("x"))
    text = scene.cache.text()
    assert text == scene.another_cache().text()
    assert gzip.decompress(scene.cache.packed()) == text
    scene.answered(targets[7])
    assert gzip.decompress(scene.cache.packed()) == scene.cache.text()


def test_a_cache_may_come_later_than_the_snapshot() -> None:
    """A new cache, as after a reload, shows all that is known; the old one goes on meanwhile."""
    scene = Scene(PAYMENTS)
    scene.answered(PAYMENTS, invitation())
    old = scene.cache
    assert old.text() == scene.another_cache().text()
    new = scene.another_cache()
    scene.snapshot.retain([PAYMENTS, AUDIT])
    scene.answered(PAYMENTS, invitation("i2"))
    assert old.text() == new.text() == scene.another_cache().text()


@pytest.mark.parametrize("outcome", ["failing", "changing"])
def test_memory_does_not_grow_with_polls(outcome: str) -> None:
    """Polled again and again, a target leaves nothing behind: neither its edges nor its cells."""
    scene = Scene(PAYMENTS, shows=options(most=10))
    scene.answered(PAYMENTS, invitation())

    def poll(times: int) -> None:
        for _ in range(times):
            scene.clock.advance(0.5)
            if outcome == "failing":
                scene.failed(PAYMENTS)
            else:
                scene.answered(PAYMENTS, invitation(at=scene.clock.now()))
            scene.cache.text()

    tracemalloc.start()
    try:
        # Failures are kept up to a number: from then on there are no more of them.
        poll(FAILURES_KEPT)
        before, _ = tracemalloc.get_traced_memory()
        poll(400)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 20_000


def test_scrapes_and_polls_at_once() -> None:
    """Several scrapers while polls end and targets come and go: nothing breaks, nothing is lost."""
    targets = many(40)
    scene = Scene(*targets)
    over = threading.Event()
    problems: list[Exception] = []

    def scrape() -> None:
        while not over.is_set():
            try:
                gzip.decompress(scene.cache.packed())
                scene.text()
            except Exception as error:  # noqa: BLE001 -- told to the test
                problems.append(error)
                return

    scrapers = [threading.Thread(target=scrape) for _ in range(3)]
    for scraper in scrapers:
        scraper.start()
    for number in range(400):
        scene.answered(targets[number % 40], invitation(f"i{number}"))
        if number % 10 == 0:
            scene.snapshot.retain(targets[: 20 + number % 20])
    over.set()
    for scraper in scrapers:
        scraper.join()
    assert problems == []
    assert scene.cache.text() == scene.another_cache().text()


def test_what_is_fresh() -> None:
    """A scrape that has many rows to render, or an edge behind it, says so beforehand."""
    targets = many(100)
    scene = Scene(*targets)
    assert not scene.cache.is_fresh
    for target in targets:
        scene.answered(target, invitation(at=NOW - DAY / 2))
    scene.text()
    assert scene.cache.is_fresh
    scene.answered(targets[0], invitation("other"))
    assert scene.cache.is_fresh
    for target in targets:
        scene.answered(target, invitation("other"))
    assert not scene.cache.is_fresh
    scene.text()
    assert scene.cache.is_fresh


def test_an_edge_is_not_fresh() -> None:
    """An age edge or a clock that went back may change every row at once."""
    scene = Scene(PAYMENTS)
    scene.answered(PAYMENTS, invitation(at=NOW - DAY / 2))
    scene.text()
    scene.clock.advance(DAY / 2 - 1)
    assert scene.cache.is_fresh
    scene.clock.advance(1)
    assert not scene.cache.is_fresh
    scene.text()
    assert scene.cache.is_fresh
    scene.clock.advance(-2)
    assert not scene.cache.is_fresh
