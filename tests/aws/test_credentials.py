"""Sessions of assumed roles, over a clock that the tests move and an STS that they count."""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import product

import pytest
from botocore.credentials import ReadOnlyCredentials

from exporter.aws.credentials import Credentials
from exporter.aws.role_sessions import Session, Sessions
from exporter.model import Account, AwsError, Role
from tests.aws.rig import REGION, Stage
from tests.clocks import ManualClock
from tests.clouds import STEP, embedded_cloud
from tests.embedded_aws.world import World
from tests.faults.matrix import error
from tests.faults.services import HUB, MEMBERS, SESSION, Services
from tests.faulty import Peer, page, response, send
from tests.processes import PATIENCE

ROLE = Role("arn:aws:iam::111122223333:role/macie-invitations-reader")


class Scene:
    """A role's sessions, the loop that they live in, and the STS that hands them out."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self.clock, self.runner = ManualClock(), runner
        self.lifetime = 3600.0
        self.error: AwsError | None = None
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.sessions = Sessions(
            self._assume, self.clock, pause=lambda: 0.95 * STEP, renewal_pause=lambda: 3 * STEP
        )

    async def _assume(self) -> Session:
        self.asked += 1
        await self.gate.wait()
        if self.error:
            raise self.error
        end = self.clock.now() + self.lifetime
        keys = ReadOnlyCredentials(f"key-{self.asked}", "secret", "token")
        return Session(keys, lambda seconds: self.clock.now() + seconds >= end)

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
    """No second AssumeRole in the first three quarters of a session, one in the last.

    Nobody waits for it: while it is under way everybody uses the session that is still good.
    """
    for seconds in (0, 2699):
        scene.clock.advance(seconds)
        assert (scene.key(), scene.asked) == ("key-1", 1)
    scene.clock.advance(1)
    scene.gate.clear()
    assert [scene.key(), scene.key()] == ["key-1", "key-1"]
    scene.gate.set()
    scene.runner.run(turn())
    assert (scene.key(), scene.asked) == ("key-2", 2)


def test_a_failed_refresh_ahead_keeps_the_session_until_its_end(scene: Scene) -> None:
    """STS may be away for a quarter of an hour without any poll noticing."""
    scene.key()
    scene.error = AwsError("InternalServerException", "away")
    for seconds in (2701, 898):
        scene.clock.advance(seconds)
        assert scene.key() == "key-1"
    scene.clock.advance(2)
    with pytest.raises(AwsError, match="away"):
        scene.key()


def test_a_broken_role_is_tried_once_an_interval(scene: Scene) -> None:
    """However many regions ask, and however long it was broken: mended, it is back in time."""
    scene.error = AwsError("AccessDenied", "not authorized", "request-1")
    for _ in range(100):
        with pytest.raises(AwsError, match="not authorized"):
            scene.key()
        scene.clock.advance(STEP / 10)
    assert scene.asked == 10
    scene.error = None
    assert scene.key()


def test_one_task_assumes_while_all_wait(scene: Scene) -> None:
    """All regions of an account start at once: one AssumeRole, one session for all.

    Who is cancelled, even whoever asked first, leaves it to the others.
    """

    async def together() -> list[ReadOnlyCredentials | BaseException]:
        scene.gate.clear()
        waiting = [asyncio.create_task(scene.sessions.current()) for _ in range(20)]
        await turn()
        waiting[0].cancel()
        await turn()
        scene.gate.set()
        return await asyncio.gather(*waiting, return_exceptions=True)

    first, *others = scene.runner.run(together())
    assert isinstance(first, asyncio.CancelledError)
    assert others == [scene.current()] * 19
    assert scene.asked == 1


@pytest.mark.parametrize(("lifetime", "asked"), [(800.0, 13), (25.0, 124)])
def test_what_always_ends_soon_is_let_be_meanwhile(
    scene: Scene, lifetime: float, asked: int
) -> None:
    """As an instance's credentials, which its metadata has until minutes before their end.

    However short a session is, it serves until then.
    """
    scene.lifetime = lifetime
    for _ in range(370):
        scene.key()
        scene.clock.advance(10)
    assert scene.asked == asked


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
    assert (scene.key(), scene.asked) == ("key-4", 4)


def test_a_fleet_does_not_ask_sts_for_all_roles_at_once(patient: Stage) -> None:
    """STS throttles whoever assumes; what waits for its turn is assumed all the same."""
    asking, lock, turn_of_32 = Counter[str](), threading.Lock(), threading.Barrier(32)

    def behave(peer: Peer) -> bool:
        with lock:
            asking["now"] += 1
            asking["most"] = max(asking["most"], asking["now"])
        turn_of_32.wait(PATIENCE)
        peer.wait(0.05)  # For whoever should not come.
        with lock:
            asking["now"] -= 1
        return send(response(SESSION))(peer)

    async def all_of_them(credentials: Credentials) -> int:
        ids = [f"{number:012d}" for number in range(96)]
        fleet = [Account(i, "", Role(f"arn:aws:iam::{i}:role/reader")) for i in ids]
        return len(await asyncio.gather(*map(credentials.for_account, fleet)))

    running = patient.play(behave)
    assert running.run(all_of_them(running.credentials)) == 96
    assert asking["most"] == 32


def test_a_denied_session_of_a_role_is_renewed_once(patient: Stage) -> None:
    """That is how AWS revokes sessions; the exporter's own credentials are not got anew."""
    denied = error("AccessDeniedException", 403)
    answers = iter((denied, denied, response(page()), denied, denied, denied))

    def macie(peer: Peer) -> bool:
        return send(next(answers))(peer)

    running, account = patient.play(Services(macie2=macie)), Account(MEMBERS[0], role=ROLE)
    assert running.failure().code == "AccessDeniedException"
    assert running.read(account=account).enabled
    for _ in range(2):
        with pytest.raises(AwsError, match="AccessDeniedException"):
            running.read(account=account)
    assert running.attempts.counts["sts", "AssumeRole", REGION] == 3


def test_sessions_of_real_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """One per account for all its regions, each for three quarters of an hour, renewed unseen.

    A broken role that is mended is back with the next poll, though that may begin a bit early.

    Within a poll where AWS revokes it, or ends it early, in seconds, whatever was asked for.
    """
    world = World(HUB, regions=("eu-west-1", "us-east-1"))
    # One that starts in the present, since botocore compares expiries with the real one.
    clock = ManualClock(datetime.now(UTC).timestamp())
    ids = ("000000000001", "000000000002")
    for each in ids:
        world.add_account(each, each)
    with embedded_cloud(world, monkeypatch, clock) as cloud:

        def poll_all(times: int, seconds: float) -> Mapping[str, int]:
            before = world.calls()
            for _ in range(times):
                for each, region in product(ids, world.regions):
                    account = Account(each, "", Role(world.role_arn(each)))
                    assert cloud.read(account, region).enabled
                clock.advance(seconds)
            made = world.calls() - before
            assumed = {call.account_id: made[call] for call in made if call.service == "sts"}
            assert assumed.keys() <= {*ids}
            return assumed

        world.break_role(world.role_arn(ids[0]))
        with pytest.raises(AwsError, match="AccessDenied"):
            poll_all(1, 0)
        world.mend_role(world.role_arn(ids[0]))
        clock.advance(0.95 * STEP)
        assert poll_all(36, STEP) == dict.fromkeys(ids, 4)
        for each in ids:
            world.revoke_sessions(each)
        assert poll_all(2, STEP) == dict.fromkeys(ids, 1)
        world.session_seconds = 7
        poll_all(30, 3)
