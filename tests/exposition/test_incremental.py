"""What is shown is what a rendering from nothing would be, whatever happened before."""

import asyncio
import gzip
import random
import zlib

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
from exporter.exposition.scrape import Exposition
from exporter.model import Account, Answer, Failure, Target
from tests.exposition.scene import DAY, NOW, STALE_AFTER, Scene, finish, invitation, options
from tests.exposition.strategies import TARGETS, all_options, outcomes


def in_order(text: bytes) -> list[bytes]:
    """Return the lines of a scrape; in which order targets stand depends on what happened."""
    return sorted(text.split(b"\n"))


def lines_of(exposition: Exposition) -> list[bytes]:
    """Return the lines of a scrape by itself."""
    return in_order(b"".join(asyncio.run(exposition.text())))


class Incremental(RuleBasedStateMachine):
    """Anything may happen between two scrapes, also while all is rendered anew."""

    @initialize(shows=all_options)
    def start(self, shows: Options) -> None:
        """Start with most targets; each target rendered lets others have their turn."""
        self.scene = Scene(*TARGETS[:4], shows=shows, turn=0.0)
        self.runner = asyncio.Runner()
        self.under_way: asyncio.Task[None] | None = None
        self.before = (self.scene.shows, self.scene.stale_after)

    def begin(self) -> None:
        """Have what there is shown, beside what comes next."""
        self.under_way = self.runner.get_loop().create_task(self.scene.show())

    @precondition(lambda self: not self.under_way)
    @rule(found=st.sets(st.sampled_from(TARGETS)), name=st.text(max_size=3), emptied=st.booleans())
    def discover(self, found: set[Target], name: str, emptied: bool) -> None:  # noqa: FBT001
        """Have discovery find other targets, or name an account anew; or lose all for a moment."""
        self.before = (self.scene.shows, self.scene.stale_after)
        self.scene.accounts = (Account(TARGETS[0].account_id, name),)
        if emptied:
            self.scene.retain(())
        self.scene.retain(sorted(found, reverse=True))
        self.begin()

    @precondition(lambda self: not self.under_way)
    @rule(shows=all_options, stale_after=st.sampled_from((STALE_AFTER, DAY)))
    def reload(self, shows: Options, stale_after: float) -> None:
        """Have somebody reload the configuration."""
        self.before = (self.scene.shows, self.scene.stale_after)
        self.scene.shows, self.scene.stale_after = shows, stale_after
        self.begin()

    @precondition(lambda self: self.under_way)
    @rule(turns=st.integers(1, 12))
    def go_on(self, turns: int) -> None:
        """Let what is under way have a few turns."""

        async def some() -> None:
            for _ in range(turns):
                await asyncio.sleep(0)

        self.runner.run(some())
        self.note_end()

    def note_end(self) -> None:
        """Note whether what was under way has ended."""
        if self.under_way and self.under_way.done():
            self.under_way.result()
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

    @rule(packed=st.booleans())
    def scrape(self, packed: bool) -> None:  # noqa: FBT001
        """Compare with a rendering from nothing: of all targets that there are, at any moment.

        During a reload by the old or the new settings. As gzip it is one member: browsers and curl
        read no further.
        """
        scene, exposition, reloads = self.scene, self.scene.exposition, self.under_way
        text = b"".join(self.runner.run(exposition.gzip() if packed else exposition.text()))
        if packed:
            reader = zlib.decompressobj(wbits=31)
            text = reader.decompress(text)
            assert reader.unused_data == b""
        self.note_end()
        anew = scene.anew()
        expected = [anew, scene.anew(*self.before)] if reloads else [anew]
        assert in_order(text) in map(lines_of, expected)
        assert reloads or exposition.states == anew.states

    def teardown(self) -> None:
        """Leave nothing half done."""
        if self.under_way:
            self.under_way.cancel()
        self.runner.close()


def test_incremental_is_as_good_as_fresh() -> None:
    """Whatever happens between scrapes, each is what a rendering from nothing would be."""
    thorough = settings(max_examples=40, stateful_step_count=30)
    run_state_machine_as_test(Incremental, settings=thorough)


def many(count: int) -> list[Target]:
    """Make targets, in the order in which they are shown."""
    return [Target(f"{number:012d}", "eu-west-1") for number in range(count)]


def test_many_targets_keep_their_lines_apart() -> None:
    """Where text is kept in pieces of many targets: lines that grow, shrink, go and come again."""
    chance, targets = random.Random(7), many(2 * PIECE + 9)
    scene = Scene(*targets, shows=options(zero_fill="none", trusted=["1"], most=50))
    for step in range(600):
        if step % 200 == 199:
            scene.found(*chance.sample(targets, len(targets) - PIECE // 2))
        count = chance.choice((0, 0, 1, 2, 9))
        listed = (invitation(f"i{n}", at=NOW - chance.randrange(99)) for n in range(count))
        scene.answered(chance.choice(targets), *listed)
    assert lines_of(scene.exposition) == lines_of(scene.anew())


def test_targets_that_go_while_they_are_rendered() -> None:
    """They go for good, once the scrape is over that was about to render them: all are in it."""
    targets = many(10)
    scene = Scene(*targets, turn=0.0)
    for target in targets:
        scene.answered(target, invitation(at=NOW - DAY + 10))
    scene.clock.advance(10)
    expected = lines_of(scene.anew())

    async def scraped() -> list[bytes]:
        scrape = asyncio.create_task(scene.exposition.text())
        for _ in range(3):
            await asyncio.sleep(0)
        scene.retain(targets[4:6])
        await scene.show()
        return await scrape

    assert in_order(b"".join(asyncio.run(scraped()))) == expected
    assert lines_of(scene.exposition) == lines_of(scene.anew())


def test_a_scrape_is_of_one_moment() -> None:
    """What has been gathered stays as it is while it is compressed and polls go on."""
    targets = many(3 * PIECE)
    scene = Scene(*targets, turn=0.0)
    expected = b"".join(asyncio.run(scene.exposition.text()))
    scrape = scene.exposition.gzip()
    for _ in range(4):
        scrape.send(None)
    for target in targets:
        scene.answered(target, invitation())
    assert gzip.decompress(b"".join(finish(scrape))) == expected


def test_nothing_holds_the_loop() -> None:
    """While everything is rendered and compressed anew, others have their turn where it is time."""
    scene = Scene(*many(300), shows=options(zero_fill="all"), turn=0.0)
    scene.shows = options(zero_fill="invited")
    pieces = len(asyncio.run(scene.exposition.text()))
    rendering, packing = scene.show(), scene.exposition.gzip()
    assert sum(1 for _ in rendering.__await__()) >= 3 * len(many(300))
    assert sum(1 for _ in packing.__await__()) >= pieces - 1
