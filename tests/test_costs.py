"""What polls and scrapes cost, in counts: they are the same on any machine, however busy it is.

`make bench` measures the same in seconds.
"""

import cProfile
import gc
import io
import pstats
import random
import sys
import tracemalloc
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import Any

import pytest

from exporter.aws.macie import PAGE_SIZE
from exporter.discovery.accounts import differences
from exporter.exposition.columns import PIECE
from exporter.log import Lines
from exporter.model import (
    DEFAULT_REGIONS,
    Account,
    Answer,
    Invitation,
    PollResult,
    Role,
    Target,
    Trust,
)
from exporter.schedule import Schedule
from exporter.state import TargetRecord
from exporter.state.history import recall
from exporter.state.records import advance
from exporter.web.query import Query, select
from exporter.web.status import Status
from exporter.web.verdict import failure_groups, strangers, summary, verdict
from tests import faulty
from tests.aws.rig import ACCOUNT, REGION, Rig, rig
from tests.calls import calls_of
from tests.exposition.scene import NOW, Scene, options
from tests.faults.services import SESSION
from tests.statuses import status

REGIONS = ("eu-west-1", "eu-central-1", "us-east-1", "us-east-2")


def aws(invitations: int) -> faulty.Behaviour:
    """Behave like AWS with so many invitations for everyone, on as many pages as they take."""
    listed = [faulty.invitation(f"{number:032x}") for number in range(invitations)]

    def behave(peer: faulty.Peer) -> bool:
        if peer.request.method == "POST":
            peer.socket.sendall(faulty.response(SESSION))
            return True
        at = int(peer.request.target.partition("nextToken=")[2] or 0)
        following = {"nextToken": str(at + PAGE_SIZE)} if at + PAGE_SIZE < invitations else {}
        peer.socket.sendall(faulty.response(faulty.page(listed[at : at + PAGE_SIZE], **following)))
        return True

    return behave


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[faulty.FaultyServer]:
    """AWS with twenty-five invitations for everyone, and nothing else in the environment."""
    with faulty.FaultyServer(aws(25)) as running:
        for name, value in {
            "AWS_ENDPOINT_URL": running.url,
            "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": REGION,
        }.items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
def made(server: faulty.FaultyServer) -> Iterator[Rig]:
    """The exporter's own clients."""
    del server
    with rig() as running:
        yield running


@pytest.mark.parametrize(("invitations", "requests"), [(0, 1), (25, 1), (26, 2), (75, 3)])
def test_a_poll_is_a_request_a_page(
    server: faulty.FaultyServer, made: Rig, invitations: int, requests: int
) -> None:
    """Nothing is asked but for the pages themselves, and all on one connection."""
    made.read()
    server.behave(aws(invitations))
    answer = made.read()
    assert (len(answer.invitations), answer.pages) == (invitations, requests)
    assert len(server.requests) == requests
    assert server.connections == 1


def test_a_session_an_account_and_one_connection(server: faulty.FaultyServer, made: Rig) -> None:
    """Ten accounts polled twice: as many AssumeRole calls, and no connection more."""
    ids = [f"{number:012d}" for number in range(10)]
    for _ in range(2):
        for account in (Account(i, "", Role(f"arn:aws:iam::{i}:role/reader")) for i in ids):
            for region in REGIONS:
                made.read(account=account, region=region)
    assert made.attempts.counts == {
        ("sts", "AssumeRole", REGION): 10,
        **{("macie2", "ListInvitations", region): 20 for region in REGIONS},
    }
    # All regions are the same server here.
    assert server.connections == 1


def test_a_poll_of_a_page_is_less_than_a_thousand_calls(made: Rig) -> None:
    """A full page takes 760 calls of functions; a default client's takes 12,000."""
    made.read()
    profile = cProfile.Profile()

    async def profiled() -> None:
        profile.enable()
        await made.macie.read(ACCOUNT, REGION)
        profile.disable()

    made.run(profiled())
    counted: Any = pstats.Stats(profile)
    assert counted.total_calls < 950


def scene_of(count: int) -> Scene:
    """Make a fleet, polled once and scraped once."""
    scene = Scene(
        *(Target(f"{number:012d}", REGION) for number in range(count)),
        shows=options(zero_fill="invited"),
    )
    poll(scene)
    scrape(scene.exposition.gzip)
    return scene


def scrape(form: Callable[[], Coroutine[object, object, list[bytes]]]) -> list[bytes]:
    """Scrape, without what a loop of one's own would cost."""
    under_way = form()
    while True:
        try:
            under_way.send(None)
        except StopIteration as end:
            return list(end.value)


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
    small, large = scene_of(500), scene_of(2_000)
    for scene in (small, large):
        scene.clock.advance(1)
        poll(scene)
        scrape(scene.exposition.gzip)
    less, more = (
        calls_of(partial(scrape, getattr(scene.exposition, form))) for scene in (small, large)
    )
    assert more < 4 * less
    assert more < 5_000


def test_what_did_not_change_is_neither_written_nor_compressed_again() -> None:
    """One target of three pieces has moved: one piece of each family that shows when."""
    scene = scene_of(2 * PIECE + 1)
    forms = (scene.exposition.text, scene.exposition.gzip)
    kept = [scrape(form) for form in forms]

    def others() -> list[int]:
        both = zip((scrape(form) for form in forms), kept, strict=True)
        return [sum(new is not old for new, old in zip(*each, strict=True)) for each in both]

    # What is made at each scrape: how many series of two families were dropped, tail and trailer.
    anyway = others()
    assert max(anyway) <= 4
    scene.clock.advance(1)
    scene.answered(scene.snapshot.all()[PIECE].target, *three())
    # When the poll ended and when it last succeeded; its duration is what it was.
    assert others() == [number + 2 for number in anyway]


def test_a_repeated_poll_renders_few_lines() -> None:
    """The same invitations again move when and how long, at 70 calls a target."""
    scene = scene_of(1_000)
    targets = [record.target for record in scene.snapshot.all()]
    for target in targets:
        answer = Answer(enabled=True, invitations=tuple(three()))
        scene.snapshot.record(PollResult(target, NOW + 1, 0.1, answer))

    def land() -> None:
        for target in targets:
            scene.exposition.update(target)

    assert calls_of(land) < 1_000 * 90


def test_a_line_of_the_log_costs_little() -> None:
    """A first round writes one for each invitation; what is left out costs next to nothing."""
    fields = dict.fromkeys(("account", "region", "inviter", "status", "invited_at"), "text")

    def written(level: str) -> int:
        lines = Lines(io.StringIO(), level=level, form="logfmt")

        def write() -> None:
            for _ in range(100):
                lines.info("invitation_received", **fields)

        return calls_of(write)

    assert written("info") < 100 * 90
    assert written("error") < 100 * 4


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


def test_a_target_holds_little_memory() -> None:
    """What is known of a target with three invitations: 3 kB, of which 1.3 kB are its text."""
    scene_of(50)
    tracemalloc.start()
    try:
        scene = scene_of(300)
        size = sum(map(len, scrape(scene.exposition.text)))
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert size < 300 * 1_800
    assert held < 300 * 4_500


def test_a_reload_lets_go_of_the_old_text() -> None:
    """As soon as the new is complete, and not when Python next looks for garbage."""
    tracemalloc.start()
    gc.disable()
    try:
        scene = scene_of(1_000)
        size = sum(map(len, scrape(scene.exposition.text)))
        held = tracemalloc.get_traced_memory()[0]
        scene.reloaded(options(zero_fill="invited", trusted=["1"]))
        scene.reloaded(options(zero_fill="invited"))
        grown = tracemalloc.get_traced_memory()[0] - held
    finally:
        gc.enable()
        tracemalloc.stop()
    assert grown < size / 4


def test_the_last_polls_of_a_target_take_300_bytes() -> None:
    """Whatever they come to: a fleet of 20,000 keeps twelve polls of each in 6 MB."""
    known = TargetRecord(Target("111122223333", REGION))
    for number in range(100):
        known = advance(known, PollResult(known.target, NOW + number, 0.1, Answer(enabled=True)))
    assert len(recall(known.polls)) == 12
    assert sys.getsizeof(known.polls) <= 300


@pytest.fixture(scope="module")
def fleet() -> Status:
    """What is known of an invitation to each of 2,000 targets, a tenth from nobody trusted."""
    accounts = [Account(f"{n:012d}", "", None, ("r1", "r2", "r3", "r4")) for n in range(500)]
    targets = [target for account in accounts for target in account.targets()]
    sent = [Invitation(f"{9 if n % 10 else n}", "i", "Enabled", NOW) for n in range(2000)]
    polls = {
        t: [Answer(enabled=True, invitations=(i,))] for t, i in zip(targets, sent, strict=True)
    }
    return status(*accounts, polls=polls, trust=Trust(configured=True, accounts=frozenset("9")))


@pytest.mark.parametrize(
    "query", [Query(), Query(sort="oldest"), Query(q="r1 7", sort="next"), Query(untrusted=True)]
)
def test_a_page_of_targets_is_a_few_calls_a_target(fleet: Status, query: Query) -> None:
    """Rows are made, filtered and sorted for all, rendered for fifty: 50 to 120 ms of 20,000."""
    assert calls_of(lambda: select(fleet.rows(), query)) < 2000 * 45


def test_the_first_page_is_a_few_calls_a_target(fleet: Status) -> None:
    """Who invites is found in one pass: 110 ms of 20,000."""

    def first_page() -> None:
        rows = fleet.rows()
        assert verdict(fleet, summary(rows), strangers(rows)).level == "bad"
        failure_groups(rows)

    assert calls_of(first_page) < 2000 * 55
