"""Sessions of assumed roles, over a clock that the tests move and an STS that they count."""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from botocore.credentials import ReadOnlyCredentials

from exporter.aws.credentials import Credentials
from exporter.aws.role_sessions import Session, Sessions
from exporter.model import Account, AwsError, Role
from tests.aws.rig import REGION, stage
from tests.clocks import ManualClock
from tests.clouds import STEP, Skies, embedded_cloud
from tests.embedded_aws.world import World
from tests.faults.matrix import error
from tests.faults.services import MEMBERS, SESSION, Services
from tests.faulty import Peer, page, response, send

ROLE = Role("arn:aws:iam::111122223333:role/macie-invitations-reader")
REGIONS = ("eu-west-1", "eu-central-1", "us-east-1", "us-east-2")
HUB = "100000000000"


class Sts:
    """Hands out sessions, or refuses; remembers when it was asked."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock, self.lifetime = clock, 3600.0
        self.error: AwsError | None = None
        self.asked: list[float] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def assume(self) -> Session:
        """Assume a role."""
        self.asked.append(self.clock.monotonic())
        await self.gate.wait()
        if self.error:
            raise self.error
        end = self.clock.now() + self.lifetime
        keys = ReadOnlyCredentials(f"key-{len(self.asked)}", "secret", "token")
        return Session(keys, lambda seconds: self.clock.now() + seconds >= end)


class Scene:
    """A role's sessions, and the loop that they live in."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self.clock, self.runner = ManualClock(), runner
        self.sts = Sts(self.clock)
        self.sessions = Sessions(
            self.sts.assume, self.clock, pause=lambda: 0.95 * STEP, renewal_pause=lambda: 3 * STEP
        )

    def current(self) -> ReadOnlyCredentials:
        """Return the credentials in use, and let begin what may begin. Raises AwsError."""

        async def get() -> ReadOnlyCredentials:
            found = await self.sessions.current()
            await turn()
            return found

        return self.runner.run(get())

    def key(self) -> str:
        """Return the access key in use."""
        return str(self.current().access_key)


async def turn() -> None:
    """Let everything go on that can."""
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
def scene() -> Iterator[Scene]:
    """A role that can be assumed."""
    with asyncio.Runner() as runner:
        yield Scene(runner)


def test_one_session_serves_until_it_is_refreshed_ahead(scene: Scene) -> None:
    """No second AssumeRole in the first three quarters of a session, one in the last."""
    for seconds in (0, 2699):
        scene.clock.advance(seconds)
        assert scene.key() == "key-1"
        assert len(scene.sts.asked) == 1
    scene.clock.advance(1)
    scene.key()
    assert scene.key() == "key-2"
    assert len(scene.sts.asked) == 2


def test_a_failed_refresh_ahead_keeps_the_session_until_its_end(scene: Scene) -> None:
    """STS may be away for a quarter of an hour without any poll noticing."""
    scene.key()
    scene.sts.error = AwsError("InternalServerException", "away")
    for seconds in (2701, 898):
        scene.clock.advance(seconds)
        assert scene.key() == "key-1"
    scene.clock.advance(2)
    with pytest.raises(AwsError, match="away"):
        scene.key()


def test_a_broken_role_is_tried_once_an_interval(scene: Scene) -> None:
    """Many regions ask all the time; STS is asked once in an interval, give or take a twentieth.

    However long it was broken: mended, it is back within an interval.
    """
    scene.sts.error = AwsError("AccessDenied", "not authorized", "request-1")
    end = scene.clock.monotonic() + 24 * 3600
    while scene.clock.monotonic() < end:
        with pytest.raises(AwsError, match="not authorized"):
            scene.key()
        scene.clock.advance(10)
    pauses = {later - sooner for sooner, later in pairwise(scene.sts.asked)}
    assert min(pauses) >= 0.95 * STEP
    assert max(pauses) <= STEP
    scene.sts.error = None
    scene.clock.advance(0.95 * STEP)
    scene.key()


def test_one_task_assumes_while_all_wait(scene: Scene) -> None:
    """All regions of an account start at once: one AssumeRole, one session for all.

    Who is cancelled, even whoever asked first, leaves it to the others.
    """

    async def together() -> list[ReadOnlyCredentials | BaseException]:
        scene.sts.gate.clear()
        waiting = [asyncio.create_task(scene.sessions.current()) for _ in range(20)]
        await turn()
        waiting[0].cancel()
        await turn()
        scene.sts.gate.set()
        return await asyncio.gather(*waiting, return_exceptions=True)

    first, *others = scene.runner.run(together())
    assert isinstance(first, asyncio.CancelledError)
    assert others == [scene.current()] * 19
    assert len(scene.sts.asked) == 1


@pytest.mark.parametrize(("lifetime", "asked"), [(800.0, 13), (25.0, 124)])
def test_what_always_ends_soon_is_let_be_meanwhile(
    scene: Scene, lifetime: float, asked: int
) -> None:
    """As an instance's credentials, which its metadata has until minutes before their end.

    However short a session is, it serves until then.
    """
    scene.sts.lifetime = lifetime
    for _ in range(370):
        scene.key()
        scene.clock.advance(10)
    assert len(scene.sts.asked) == asked


def test_nobody_waits_for_a_refresh_ahead(scene: Scene) -> None:
    """While it is under way everybody uses the session that is still good."""
    scene.key()
    scene.clock.advance(3300)
    scene.sts.gate.clear()
    assert [scene.key(), scene.key()] == ["key-1", "key-1"]
    assert len(scene.sts.asked) == 2
    scene.sts.gate.set()
    scene.runner.run(turn())
    assert scene.key() == "key-2"


def test_a_region_that_refuses_every_session(scene: Scene) -> None:
    """Has them renewed now and then; another region's refusal, which is a revocation, at once.

    Callers that saw the same session refused share the next one.
    """

    def refused(used: ReadOnlyCredentials, *regions: str) -> list[bool]:
        return [scene.sessions.renew(used, region) for region in regions]

    first = scene.current()
    assert refused(first, "me-south-1", "eu-west-1") == [True, True]
    second = scene.current()
    scene.sessions.worked("eu-west-1")
    scene.clock.advance(3 * STEP - 1)
    assert refused(second, "me-south-1") == [False]
    assert refused(second, "eu-west-1", "us-east-1") == [True, True]
    third = scene.current()
    assert refused(third, "eu-west-1", "us-east-1") == [False, False]
    scene.clock.advance(1)
    assert refused(third, "me-south-1") == [True]
    assert (scene.key(), len(scene.sts.asked)) == ("key-4", 4)


def test_a_fleet_does_not_ask_sts_for_all_roles_at_once() -> None:
    """STS throttles whoever assumes; what waits for its turn is assumed all the same."""
    at_once, lock = Counter({"now": 0, "most": 0}), threading.Lock()

    def behave(peer: Peer) -> bool:
        with lock:
            at_once["now"] += 1
            at_once["most"] = max(at_once["most"], at_once["now"])
        peer.wait(0.05)
        with lock:
            at_once["now"] -= 1
        peer.socket.sendall(response(SESSION))
        return True

    async def all_of_them(credentials: Credentials) -> int:
        ids = [f"{number:012d}" for number in range(100)]
        fleet = [Account(i, "", Role(f"arn:aws:iam::{i}:role/reader")) for i in ids]
        return len(await asyncio.gather(*map(credentials.for_account, fleet)))

    with stage() as made:
        running = made.play(behave)
        assert running.run(all_of_them(running.credentials)) == 100
    assert 1 < at_once["most"] <= 32


@pytest.mark.parametrize("role", [ROLE, None], ids=["a role", "own credentials"])
def test_a_denied_session_of_a_role_is_renewed_once(role: Role | None) -> None:
    """That is how AWS revokes sessions; the exporter's own credentials are not got anew."""
    denied = error("AccessDeniedException", 403)
    answers = iter((denied, response(page()), denied, denied, denied))

    def macie(peer: Peer) -> bool:
        return send(next(answers))(peer)

    account = Account(MEMBERS[0], role=role)
    with stage() as made:
        running = made.play(Services(macie2=macie))
        if role is None:
            assert running.failure().code == "AccessDeniedException"
        else:
            assert running.read(account=account).enabled
            for _ in range(2):
                with pytest.raises(AwsError, match="AccessDeniedException"):
                    running.read(account=account)
        assert running.attempts.counts["sts", "AssumeRole", REGION] == (3 if role else 0)


@pytest.fixture
def clock() -> ManualClock:
    """A clock that starts in the present, since botocore compares expiries with the real one."""
    return ManualClock(datetime.now(UTC).timestamp())


@pytest.fixture
def world() -> World:
    """Three accounts."""
    made = World(HUB, regions=REGIONS)
    for number in range(1, 4):
        made.add_account(f"{number:012d}", f"account {number}")
    return made


@pytest.fixture
def cloud(world: World, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Skies]:
    """The client of the embedded AWS, both on the test's clock."""
    with embedded_cloud(world, monkeypatch, clock) as made:
        yield made


def assumptions(world: World) -> Counter[str]:
    """Count AssumeRole by account."""
    return Counter(
        {
            call.account_id: count
            for call, count in world.calls().items()
            if call.operation == "AssumeRole"
        }
    )


def accounts(world: World) -> list[Account]:
    """Return the fleet's accounts."""
    ids = [f"{number:012d}" for number in range(1, 4)]
    return [Account(i, "", Role(world.role_arn(i)), REGIONS) for i in ids]


def poll_all(cloud: Skies, world: World) -> Counter[str]:
    """Poll every target once; count the failures by account."""
    failed: Counter[str] = Counter()
    for account in accounts(world):
        for region in account.regions:
            try:
                cloud.read(account, region)
            except AwsError:
                failed[account.id] += 1
    return failed


def test_six_hours_of_polls_and_refreshes(cloud: Skies, world: World, clock: ManualClock) -> None:
    """One session per account for all its regions, each for three quarters of an hour."""
    for _ in range(6 * 12):
        assert not poll_all(cloud, world)
        clock.advance(STEP)
    assert assumptions(world) == {account.id: 8 for account in accounts(world)}


def test_revoked_sessions_are_renewed_within_one_poll(cloud: Skies, world: World) -> None:
    """No poll fails, nothing is restarted, and each account is assumed once more."""
    poll_all(cloud, world)
    for account in accounts(world):
        world.revoke_sessions(account.id)
    assert not poll_all(cloud, world)
    assert set(assumptions(world).values()) == {2}


def test_sessions_that_aws_ends_early_are_renewed_within_one_poll(
    cloud: Skies, world: World, clock: ManualClock
) -> None:
    """Sessions of seconds, whatever was asked for, never make a poll fail."""
    world.session_seconds = 7
    for _ in range(30):
        assert not poll_all(cloud, world)
        clock.advance(3)
