"""What is shown is what a rendering from nothing would be, whatever happened before."""

import asyncio
import contextlib
import gzip
import tracemalloc
import zlib
from collections.abc import Coroutine

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from exporter.exposition.columns import PIECE
from exporter.exposition.counts import Options
from exporter.exposition.rendering import Exposition
from exporter.model import Account, Answer, Failure, Target
from exporter.state import TargetState
from exporter.state.snapshot import FAILURES_KEPT
from tests.exposition.scene import (
    DAY,
    NOW,
    PAYMENTS,
    STALE_AFTER,
    Scene,
    invitation,
    options,
)
from tests.exposition.strategies import TARGETS, all_options, outcomes


def lines_of(scene: Scene, exposition: Exposition | None = None) -> list[str]:
    """Return the lines of the exposition; in which order targets stand depends on what happened."""
    return sorted(scene.text(exposition).split("\n"))


class Incremental(RuleBasedStateMachine):
    """Anything may happen between two scrapes, also while all is rendered anew."""

    @initialize(shows=all_options())
    def start(self, shows: Options) -> None:
        """Start with most targets; each target rendered lets others have their turn."""
        self.scene = Scene(*TARGETS[:4], shows=shows, turn=0.0)
        self.under_way: Coroutine[object, object, None] | None = None

    @precondition(lambda self: not self.under_way)
    @rule(found=st.sets(st.sampled_from(TARGETS)), name=st.text(max_size=3), emptied=st.booleans())
    def discover(self, found: set[Target], name: str, emptied: bool) -> None:  # noqa: FBT001
        """Have discovery find other targets, or name an account anew; or lose all for a moment."""
        self.scene.accounts = (Account(TARGETS[0].account_id, name),)
        if emptied:
            self.scene.snapshot.retain(())
        self.scene.snapshot.retain(sorted(found, reverse=True))
        self.under_way = self.scene.exposition.retain(self.scene.accounts)

    @precondition(lambda self: not self.under_way)
    @rule(shows=all_options(), stale_after=st.sampled_from((STALE_AFTER, DAY)))
    def reload(self, shows: Options, stale_after: float) -> None:
        """Have somebody reload the configuration."""
        self.scene.shows, self.scene.stale_after = shows, stale_after
        self.under_way = self.scene.exposition.reconfigure(shows, stale_after)

    @precondition(lambda self: self.under_way)
    @rule(turns=st.integers(1, 12))
    def go_on(self, turns: int) -> None:
        """Let what is under way have a few turns."""
        for _ in range(turns):
            if self.under_way:
                try:
                    self.under_way.send(None)
                except StopIteration:
                    self.under_way = None

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

    @rule()
    def scrape(self) -> None:
        """Compare with a rendering from nothing, text and gzip; meanwhile they only must agree."""
        text, exposition = lines_of(self.scene), self.scene.exposition
        unpacked = gzip.decompress(b"".join(asyncio.run(exposition.gzip())))
        assert unpacked == b"".join(asyncio.run(exposition.text()))
        if not self.under_way:
            anew = self.scene.anew()
            assert text == lines_of(self.scene, anew)
            assert (exposition.states, exposition.folded) == (anew.states, anew.folded)

    def teardown(self) -> None:
        """Leave nothing half done."""
        if self.under_way:
            self.under_way.close()


def test_incremental_is_as_good_as_fresh() -> None:
    """Whatever happens between scrapes, each is what a rendering from nothing would be."""
    thorough = settings(max_examples=40, stateful_step_count=30)
    run_state_machine_as_test(Incremental, settings=thorough)


def many(count: int) -> list[Target]:
    """Make targets, in the order in which they are shown."""
    return [Target(f"{number:012d}", "eu-west-1") for number in range(count)]


def advance(under_way: Coroutine[object, object, None], turns: int) -> None:
    """Let a coroutine have some turns, none of which is its last."""
    for _ in range(turns):
        under_way.send(None)


def finish(under_way: Coroutine[object, object, None]) -> None:
    """Let a coroutine have turns until it has ended."""
    with contextlib.suppress(StopIteration):
        while True:
            under_way.send(None)


def test_a_reload_shows_the_old_until_the_new_is_complete() -> None:
    """Polls that land meanwhile are shown at once, and in what comes as well."""
    targets = many(20)
    scene = Scene(*targets, turn=0.0)
    reload = scene.exposition.reconfigure(options(zero_fill="all"), STALE_AFTER)
    advance(reload, 10)
    for target in (targets[2], targets[18]):
        scene.answered(target, invitation())
    assert lines_of(scene) == lines_of(scene, scene.anew())
    finish(reload)
    scene.shows = options(zero_fill="all")
    assert lines_of(scene) == lines_of(scene, scene.anew())


def test_what_is_gone_goes_before_the_new_is_shown() -> None:
    """Discovery finds other targets: those that it finds no more are left out at once."""
    targets = many(20)
    scene = Scene(*targets[:10], turn=0.0)
    for target in targets[:10]:
        scene.answered(target, invitation(at=NOW - DAY / 2))
    scene.snapshot.retain(targets[5:])
    finding = scene.exposition.retain(())
    advance(finding, 8)
    scene.clock.advance(DAY)
    text = scene.text()
    assert targets[4].account_id not in text
    assert targets[5].account_id in text
    finish(finding)
    assert lines_of(scene) == lines_of(scene, scene.anew())


def test_a_target_that_goes_when_it_is_due() -> None:
    """It goes for good, though it was about to be rendered: many cross an edge at that moment."""
    targets = many(10)
    scene = Scene(*targets, turn=0.0)
    for target in targets:
        scene.answered(target, invitation(at=NOW - DAY + 10))
    scene.clock.advance(10)
    crossing = scene.exposition.catch_up()
    advance(crossing, 3)
    scene.found(*targets[4:6])
    finish(crossing)
    assert lines_of(scene) == lines_of(scene, scene.anew())


def test_a_reload_and_a_discovery_at_once() -> None:
    """Both take effect, whichever ends first."""
    scene = Scene(*many(20), turn=0.0)
    scene.shows, scene.accounts = options(zero_fill="all"), (Account("000000000001", "one"),)
    scene.snapshot.retain(many(30))

    async def at_once() -> None:
        await asyncio.gather(
            scene.exposition.reconfigure(scene.shows, STALE_AFTER),
            scene.exposition.retain(scene.accounts),
        )

    asyncio.run(at_once())
    assert lines_of(scene) == lines_of(scene, scene.anew())
    assert len(many(30)) == scene.exposition.states.total()


def test_a_reload_that_is_given_up_leaves_the_old() -> None:
    """What is shown goes on as before, and a later reload takes effect."""
    scene = Scene(*many(20), turn=0.0)
    given_up = scene.exposition.reconfigure(options(zero_fill="all"), STALE_AFTER)
    advance(given_up, 5)
    given_up.close()
    scene.answered(many(20)[3], invitation())
    assert lines_of(scene) == lines_of(scene, scene.anew())
    scene.reloaded(options(zero_fill="invited"))
    assert lines_of(scene) == lines_of(scene, scene.anew())


def test_a_scrape_is_of_one_moment() -> None:
    """What has been gathered stays as it is while it is compressed and polls go on."""
    targets = many(3 * PIECE)
    scene = Scene(*targets, turn=0.0)
    expected = b"".join(asyncio.run(scene.exposition.text()))
    scraped: list[bytes] = []

    async def scrape() -> None:
        scraped.extend(await scene.exposition.gzip())

    under_way = scrape()
    advance(under_way, 4)
    for target in targets:
        scene.answered(target, invitation())
    finish(under_way)
    assert gzip.decompress(b"".join(scraped)) == expected


def test_the_tail_is_of_the_same_moment() -> None:
    """It is asked after what time has changed is rendered: both tell of the same states."""
    scene = Scene(PAYMENTS, turn=0.0)
    scene.answered(PAYMENTS, invitation())
    scene.failed(PAYMENTS)
    scene.clock.advance(STALE_AFTER)
    text = scene.text()
    assert 'macie_exporter_targets{state="stale"} 1.0' in text
    assert "\nmacie_invitations{" not in text


def test_gzip_is_one_member() -> None:
    """A reader that stops after the first member, as browsers and curl do, has read everything."""
    scene = Scene(*many(3), shows=options(most=10))
    text = b"".join(asyncio.run(scene.exposition.text(lambda: b"tail\n")))
    packed = b"".join(asyncio.run(scene.exposition.gzip(lambda: b"tail\n")))
    reader = zlib.decompressobj(wbits=31)
    assert reader.decompress(packed) == text
    assert reader.eof
    assert reader.unused_data == b""


@pytest.mark.parametrize("ahead", [0.0, 0.001])
def test_an_age_edge_and_staleness_to_the_second(ahead: float) -> None:
    """At the edge, and not before, nor only when somebody scrapes."""
    old, failing = many(2)
    scene = Scene(old, failing)
    scene.answered(old, invitation(at=NOW - DAY + STALE_AFTER))
    scene.answered(failing, invitation())
    scene.failed(failing)
    scene.clock.advance(STALE_AFTER - ahead)
    asyncio.run(scene.exposition.catch_up())
    stale = scene.exposition.states.total() - scene.exposition.states[TargetState.OK]
    assert stale == 1
    assert (scene.exposition.states[TargetState.STALE] == 1) == (not ahead)
    assert ('age_bucket="01d-07d",aws_account_id="000000000000"' in scene.text()) == (not ahead)


@pytest.mark.parametrize("outcome", ["failing", "changing"])
def test_memory_does_not_grow_with_polls(outcome: str) -> None:
    """Polled again and again, a target leaves nothing behind: neither its edges nor its lines."""
    scene = Scene(PAYMENTS, shows=options(most=10))
    scene.answered(PAYMENTS, invitation())

    def poll(times: int) -> None:
        for _ in range(times):
            scene.clock.advance(0.5)
            if outcome == "failing":
                scene.failed(PAYMENTS)
            else:
                scene.answered(PAYMENTS, invitation(at=scene.clock.now()))

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


def test_nothing_holds_the_loop() -> None:
    """While everything is rendered and compressed anew, others have their turn where it is time."""
    scene = Scene(*many(300), shows=options(zero_fill="all"), turn=0.0)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async def anew() -> None:
        other = asyncio.create_task(others())
        await scene.exposition.reconfigure(options(zero_fill="invited"), STALE_AFTER)
        await scene.exposition.gzip()
        other.cancel()

    asyncio.run(anew())
    assert turns >= len(many(300))
