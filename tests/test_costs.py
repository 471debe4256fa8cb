"""What polls and scrapes cost, in counts: they are the same on any machine, however busy it is.

`make bench` measures the same in seconds.
"""

import cProfile
import gc
import io
import pstats
import random
import tracemalloc
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from exporter.discovery.accounts import differences
from exporter.exposition.columns import PIECE
from exporter.log import Lines
from exporter.model import DEFAULT_REGIONS, Account, Answer, Invitation, Role, Target, Trust
from exporter.schedule import Schedule
from exporter.web.query import Query, select
from exporter.web.verdict import failure_groups, strangers, summary, verdict
from tests import faulty
from tests.aws.rig import ACCOUNT, REGION, Stage, stage
from tests.calls import calls_of
from tests.exposition.scene import NOW, Scene, finish, options
from tests.faults.services import SESSION
from tests.statuses import status

REGIONS = ("eu-west-1", "eu-central-1", "us-east-1", "us-east-2")
LISTED = [faulty.invitation(f"{number:032x}") for number in range(26)]


def aws(peer: faulty.Peer) -> bool:
    """Give sessions, and everyone twenty-six invitations: a full page, and one more."""
    if peer.request.method == "POST":
        answer = SESSION
    elif "nextToken=" in peer.request.target:
        answer = faulty.page(LISTED[25:])
    else:
        answer = faulty.page(LISTED[:25], nextToken="more")
    peer.socket.sendall(faulty.response(answer))
    return True


@pytest.fixture
def on_stage() -> Iterator[Stage]:
    """The exporter's own clients, which have polled once, and that AWS."""
    with stage() as made:
        made.play(aws).read()
        made.play(aws)
        yield made


def test_a_request_a_page_a_session_an_account_and_one_connection(on_stage: Stage) -> None:
    """Ten accounts polled twice in four regions: nothing is asked beyond that."""
    ids = [f"{number:012d}" for number in range(10)]
    for _ in range(2):
        for account in (Account(i, "", Role(f"arn:aws:iam::{i}:role/reader")) for i in ids):
            for region in REGIONS:
                answer = on_stage.rig.read(account=account, region=region)
                assert (len(answer.invitations), answer.pages) == (26, 2)
    assert on_stage.rig.attempts.counts == {
        ("sts", "AssumeRole", REGION): 10,
        **{("macie2", "ListInvitations", region): 40 for region in REGIONS},
    }
    # All regions are the same server here.
    assert on_stage.server.connections == 1


def test_a_poll_is_a_few_hundred_calls_a_page(on_stage: Stage) -> None:
    """A full page takes 760 calls of functions; a default client's takes 12,000."""
    profile = cProfile.Profile()

    async def profiled() -> None:
        profile.enable()
        await on_stage.rig.macie.read(ACCOUNT, REGION)
        profile.disable()

    on_stage.rig.run(profiled())
    counted: Any = pstats.Stats(profile)
    assert counted.total_calls < 1_600


def scene_of(count: int) -> Scene:
    """Make a fleet, polled once and scraped once."""
    scene = Scene(
        *(Target(f"{number:012d}", REGION) for number in range(count)),
        shows=options(zero_fill="invited"),
    )
    poll(scene)
    finish(scene.exposition.gzip())
    return scene


def poll(scene: Scene) -> None:
    """Poll every target again; each answer is made anew, with the same invitations."""
    for record in scene.snapshot.all():
        scene.answered(record.target, *three())


def three() -> list[Invitation]:
    """Make three invitations that share nothing with those made before."""
    return [
        Invitation(f"99998888777{n}", f"{n:032x}", "Invited", NOW - 86_400.0 * (n + 1.5))
        for n in range(3)
    ]


@pytest.mark.parametrize("form", ["text", "gzip"])
def test_a_scrape_does_not_grow_with_targets(form: str) -> None:
    """Four times the targets are a few more pieces to gather, and not four times the calls."""

    def calls(count: int) -> int:
        scene = scene_of(count)
        scene.clock.advance(1)
        poll(scene)
        finish(scene.exposition.gzip())
        return calls_of(lambda: finish(getattr(scene.exposition, form)()))

    assert calls(2_000) < min(4 * calls(500), 5_000)


def test_what_did_not_change_is_neither_written_nor_compressed_again() -> None:
    """One target of three pieces has moved: one piece of each family that shows when."""
    scene = scene_of(2 * PIECE + 1)
    forms = (scene.exposition.text, scene.exposition.gzip)
    kept = [finish(form()) for form in forms]

    def others() -> list[int]:
        both = zip((finish(form()) for form in forms), kept, strict=True)
        return [sum(new is not old for new, old in zip(*each, strict=True)) for each in both]

    # What is made at each scrape: how many series of two families were dropped, tail and trailer.
    anyway = others()
    assert max(anyway) <= 4
    scene.clock.advance(1)
    scene.answered(scene.snapshot.all()[PIECE].target, *three())
    # When the poll ended and when it last succeeded; its duration is what it was.
    assert others() == [number + 2 for number in anyway]


def test_a_repeated_poll_renders_few_lines() -> None:
    """The same invitations again move when and how long: 83 calls a target, recorded and all."""
    scene = scene_of(1_000)
    scene.clock.advance(1)
    assert calls_of(partial(poll, scene)) < 1_000 * 110


def test_a_line_of_the_log_costs_little() -> None:
    """A first round writes one for each invitation; what is left out costs next to nothing."""
    fields = dict.fromkeys(("account", "region", "inviter", "status", "invited_at"), "text")
    for level, most in (("info", 90), ("error", 4)):
        log = Lines(io.StringIO(), level=level, form="logfmt").log
        assert calls_of(partial(log.info, "invitation_received", **fields)) < most


def test_an_account_that_stays_costs_a_comparison_and_not_its_targets() -> None:
    """What is found comes in hundreds of parts where each account is asked for its regions.

    Of those that come not all are looked at in one go.
    """
    ids = [f"{number:012d}" for number in range(1_001)]
    after = {each: Account(each, regions=DEFAULT_REGIONS) for each in ids}
    before = {each: Account(each, regions=DEFAULT_REGIONS) for each in ids[:-1]}
    assert list(differences(before, after)) == [([], list(after[ids[-1]].targets()))]
    assert calls_of(lambda: list(differences(before, after))) < 1_000 * 4
    parts = [new for _, new in differences({}, after)]
    assert sum(map(len, parts)) == len(after) * len(DEFAULT_REGIONS)
    assert max(map(len, parts)) == 64 * len(DEFAULT_REGIONS)


def test_a_tick_of_the_schedule_does_not_grow_with_targets() -> None:
    """Hundred times the targets are but a few more steps in a heap."""

    def tick(count: int) -> int:
        schedule = Schedule(300.0, 64, random.Random(7))
        schedule.change_targets((), [Target(f"{n:012d}", REGION) for n in range(count)], 0.0)
        while target := schedule.pop_due(0.0):
            schedule.finish(target, None, 1.0)

        def rounds() -> None:
            for now in range(2, 300):
                schedule.wait(float(now))
                schedule.lag(float(now))
                due = schedule.pop_due(float(now))
                if due is not None:
                    schedule.finish(due, None, now)

        return calls_of(rounds)

    # Few targets are seldom due: count what a tick with a poll in it takes.
    assert tick(20_000) < 3 * tick(400)


def test_a_target_holds_little_memory_and_lets_go_of_what_was() -> None:
    """With three invitations it is 3 kB, of which 1.3 kB are its text.

    Polled again and again it leaves nothing behind; nor does a reload, as soon as the new text is
    complete, and not when Python next looks for garbage.
    """
    scene_of(50)
    tracemalloc.start()
    gc.disable()
    try:
        scene = scene_of(300)
        size = sum(map(len, finish(scene.exposition.text())))
        held = tracemalloc.get_traced_memory()[0]
        for _ in range(5):
            scene.clock.advance(1)
            poll(scene)
        scene.reloaded(options(zero_fill="invited", trusted=["1"]))
        scene.reloaded(options(zero_fill="invited"))
        grown = tracemalloc.get_traced_memory()[0] - held
    finally:
        gc.enable()
        tracemalloc.stop()
    assert size < 300 * 1_800
    assert held < 300 * 4_500
    assert grown < size / 2


def test_a_page_is_a_few_calls_a_target() -> None:
    """Of 20,000 targets the first page takes 110 ms, where who invites is found in one pass.

    The table takes 50 to 120 ms: rows are made, filtered and sorted for all, rendered for fifty.
    """
    accounts = [Account(f"{n:012d}", "", None, ("r1", "r2", "r3", "r4")) for n in range(500)]
    targets = [target for account in accounts for target in account.targets()]
    # A tenth are from nobody trusted.
    sent = [Invitation(f"{9 if n % 10 else n}", "i", "Enabled", NOW) for n in range(2000)]
    polls = {
        t: [Answer(enabled=True, invitations=(i,))] for t, i in zip(targets, sent, strict=True)
    }
    trust = Trust(configured=True, accounts=frozenset("9"))
    fleet = status(*accounts, polls=polls, trust=trust)

    def first_page() -> None:
        rows = fleet.rows()
        assert verdict(fleet, summary(rows), strangers(rows)).level == "bad"
        failure_groups(rows)

    def table(**asked: Any) -> None:
        select(fleet.rows(), Query(**asked))

    assert calls_of(first_page) < 2000 * 55
    for asked in ({}, {"sort": "oldest"}, {"q": "r1 7", "sort": "next"}, {"untrusted": True}):
        assert calls_of(partial(table, **asked)) < 2000 * 45
