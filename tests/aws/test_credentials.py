"""Sessions of assumed roles, over a clock that the tests move and an STS that they count."""

import os
import random
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from botocore.credentials import ReadOnlyCredentials

from exporter.aws.cloud import Cloud
from exporter.aws.credentials import Assumed
from exporter.demo.world import World
from exporter.model import Account, AwsError, Role
from tests.clocks import ManualClock
from tests.clouds import STEP, embedded_cloud
from tests.processes import until

ROLE = Role("arn:aws:iam::111122223333:role/macie-invitations-reader")
FOREVER = 1e6
REGIONS = ("eu-west-1", "eu-central-1", "us-east-1", "us-east-2")
HUB = "100000000000"


class Sts:
    """Hands out sessions, or refuses; remembers when it was asked."""

    def __init__(self, clock: ManualClock, lifetime: float = 3600.0) -> None:
        self.clock, self.lifetime = clock, lifetime
        self.error: AwsError | None = None
        self.asked: list[float] = []
        self.gate = threading.Event()
        self.gate.set()

    def assume(self, role: Role, deadline: float) -> tuple[ReadOnlyCredentials, float]:
        """Assume a role."""
        del role, deadline
        self.asked.append(self.clock.monotonic())
        self.gate.wait(30)
        if self.error:
            raise self.error
        number = len(self.asked)
        expires = self.clock.now() + self.lifetime
        return ReadOnlyCredentials(f"key-{number}", "secret", "token"), expires


@pytest.fixture
def clock() -> ManualClock:
    """A clock that starts in the present, since botocore compares expiries with the real one."""
    return ManualClock(datetime.now(UTC).timestamp())


@pytest.fixture
def sts(clock: ManualClock) -> Sts:
    """An STS that answers."""
    return Sts(clock)


@pytest.fixture
def assumed(clock: ManualClock, sts: Sts) -> Assumed:
    """A role's source of credentials."""
    return Assumed(ROLE, sts.assume, clock=clock, step=lambda: STEP, rng=random.Random(1))


def key(assumed: Assumed, deadline: float = FOREVER) -> str:
    """Give the access key in use."""
    return str(assumed.current(deadline).access_key)


def test_one_session_serves_until_it_is_refreshed_ahead(
    assumed: Assumed, sts: Sts, clock: ManualClock
) -> None:
    """No second AssumeRole in the first half of a session, one before its last tenth."""
    assert key(assumed) == "key-1"
    clock.advance(1799)
    assert key(assumed) == "key-1"
    clock.advance(3240 - 1799)
    assert key(assumed) == "key-2"
    assert len(sts.asked) == 2


def test_a_session_of_seconds_is_refreshed_as_well(clock: ManualClock) -> None:
    """However short AWS makes it, no expired credentials are handed out."""
    sts = Sts(clock, lifetime=4.0)
    assumed = Assumed(ROLE, sts.assume, clock=clock, step=lambda: STEP, rng=random.Random(1))
    for _ in range(20):
        issued = sts.asked[int(key(assumed).removeprefix("key-")) - 1]
        assert clock.monotonic() - issued < 4.0
        clock.advance(1.0)


def test_a_failed_refresh_ahead_keeps_the_session_until_its_end(
    assumed: Assumed, sts: Sts, clock: ManualClock
) -> None:
    """STS may be away for half a session without any poll noticing."""
    key(assumed)
    sts.error = AwsError("InternalServerException", "away")
    clock.advance(3300)
    assert key(assumed) == "key-1"
    clock.advance(299)
    assert key(assumed) == "key-1"
    clock.advance(2)
    with pytest.raises(AwsError, match="away"):
        key(assumed)


def test_a_broken_role_is_tried_once_per_back_off_step(
    assumed: Assumed, sts: Sts, clock: ManualClock
) -> None:
    """Many regions ask all the time; STS is asked with growing pauses, up to four steps."""
    sts.error = AwsError("AccessDenied", "not authorized", "request-1")
    end = clock.monotonic() + 24 * 3600
    while clock.monotonic() < end:
        with pytest.raises(AwsError, match="not authorized"):
            key(assumed)
        clock.advance(10)
    pauses = [later - sooner for sooner, later in zip(sts.asked, sts.asked[1:], strict=False)]
    assert [round(pause / STEP) for pause in pauses[:3]] == [1, 2, 4]
    assert all(0.9 * 4 * STEP <= pause <= 1.1 * 4 * STEP + 10 for pause in pauses[2:])


def test_a_mended_role_is_found_within_its_back_off(
    assumed: Assumed, sts: Sts, clock: ManualClock
) -> None:
    """And what failed before is forgotten then."""
    sts.error = AwsError("AccessDenied", "not authorized")
    for _ in range(100):
        with pytest.raises(AwsError):
            key(assumed)
        clock.advance(60)
    sts.error = None
    clock.advance(4.4 * STEP)
    assert key(assumed).startswith("key-")


def test_one_caller_assumes_while_the_others_wait(assumed: Assumed, sts: Sts) -> None:
    """All regions of an account start at once: one AssumeRole, one session for all."""
    sts.gate.clear()
    got: list[str] = []
    threads = [threading.Thread(target=lambda: got.append(key(assumed))) for _ in range(20)]
    for thread in threads:
        thread.start()
    until(lambda: len(sts.asked) == 1, "the first caller asks")
    sts.gate.set()
    for thread in threads:
        thread.join()
    assert got == ["key-1"] * 20
    assert len(sts.asked) == 1


def test_waiting_for_another_caller_ends_at_the_deadline(
    assumed: Assumed, sts: Sts, clock: ManualClock
) -> None:
    """A hanging STS cannot hold a poll beyond its deadline."""
    sts.gate.clear()
    first = threading.Thread(target=lambda: key(assumed))
    first.start()
    until(lambda: len(sts.asked) == 1, "the first caller asks")
    with pytest.raises(AwsError, match="Deadline"):
        key(assumed, clock.monotonic())
    sts.gate.set()
    first.join()


def test_nobody_waits_for_a_refresh_ahead(assumed: Assumed, sts: Sts, clock: ManualClock) -> None:
    """While one caller refreshes, the others use the session that is still good."""
    key(assumed)
    clock.advance(3300)
    sts.gate.clear()
    refreshing = threading.Thread(target=lambda: key(assumed))
    refreshing.start()
    until(lambda: len(sts.asked) == 2, "the refresh begins")
    assert key(assumed) == "key-1"
    sts.gate.set()
    refreshing.join()
    assert key(assumed) == "key-2"


def test_a_session_that_ended_early_is_renewed_once(assumed: Assumed, sts: Sts) -> None:
    """Callers that saw the same session refused share one new session."""
    used = assumed.current(FOREVER)
    assert assumed.renew(used, "eu-west-1")
    assert assumed.renew(used, "us-east-1")
    assert key(assumed) == "key-2"
    assert assumed.renew(used, "eu-west-1")
    assert key(assumed) == "key-2"
    assert len(sts.asked) == 2


def test_a_region_that_always_refuses_does_not_flood_sts(
    assumed: Assumed, sts: Sts, clock: ManualClock
) -> None:
    """A region that is not opted into answers like a bad key: renewals grow ever rarer."""
    for _ in range(288):
        used = assumed.current(FOREVER)
        if assumed.renew(used, "me-south-1"):
            assumed.current(FOREVER)
        assumed.worked("eu-west-1")
        clock.advance(STEP)
    assert len(sts.asked) < 288 / 6


def test_a_denial_is_no_reason_to_renew_a_young_session(
    assumed: Assumed, sts: Sts, clock: ManualClock
) -> None:
    """A missing permission costs no AssumeRole at once; a session that worked for a while does."""
    used = assumed.current(FOREVER)
    assert not assumed.renew(used, "eu-west-1", denied=True)
    clock.advance(STEP)
    assert assumed.renew(used, "eu-west-1", denied=True)
    assert key(assumed) == "key-2"
    assert len(sts.asked) == 2


def test_refreshes_of_many_accounts_are_spread(clock: ManualClock) -> None:
    """A thousand sessions that began together do not end in the same minutes."""
    sources = [Sts(clock) for _ in range(1000)]
    sessions = [
        Assumed(
            Role(f"arn:aws:iam::{number:012d}:role/reader"),
            sts.assume,
            clock=clock,
            step=lambda: STEP,
            rng=random.Random(1),
        )
        for number, sts in enumerate(sources)
    ]
    refreshed = []
    for _ in range(60):
        before = sum(len(sts.asked) for sts in sources)
        for session in sessions:
            session.current(FOREVER)
        refreshed.append(sum(len(sts.asked) for sts in sources) - before)
        clock.advance(60)
    first, *later = refreshed
    assert first == 1000
    assert sum(later) == 1000
    assert sum(later[:29]) == 0
    assert max(later) < 80


@pytest.fixture
def world() -> World:
    """Three accounts."""
    made = World(HUB, regions=REGIONS)
    for number in range(1, 4):
        made.add_account(f"{number:012d}", f"account {number}")
    return made


@pytest.fixture
def cloud(world: World, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """AWS clients of the embedded AWS, both on the test's clock."""
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
    """Give the fleet's accounts."""
    ids = [f"{number:012d}" for number in range(1, 4)]
    return [Account(i, "", Role(world.role_arn(i)), REGIONS) for i in ids]


def poll_all(cloud: Cloud, world: World, clock: ManualClock) -> Counter[str]:
    """Poll every target once; count the failures by account."""
    failed: Counter[str] = Counter()
    for account in accounts(world):
        for region in account.regions:
            try:
                cloud.macie.read(account, region, clock.monotonic() + 60)
            except AwsError:
                failed[account.id] += 1
    return failed


def test_a_day_of_polls_and_refreshes(cloud: Cloud, world: World, clock: ManualClock) -> None:
    """One session per account for all its regions: 26 to 48 AssumeRole calls each in 24 hours."""
    for _ in range(24 * 12):
        assert not poll_all(cloud, world, clock)
        clock.advance(STEP)
    for count in assumptions(world).values():
        assert 24 * 3600 / 3300 <= count <= 24 * 3600 / 1800
    assert len(assumptions(world)) == 3


def test_revoked_sessions_are_renewed_within_one_poll(
    cloud: Cloud, world: World, clock: ManualClock
) -> None:
    """No poll fails, nothing is restarted, and each account is assumed once more."""
    poll_all(cloud, world, clock)
    for account in accounts(world):
        world.revoke_sessions(account.id)
    assert not poll_all(cloud, world, clock)
    assert set(assumptions(world).values()) == {2}


def test_sessions_that_aws_ends_early_are_renewed_within_one_poll(
    cloud: Cloud, world: World, clock: ManualClock
) -> None:
    """Sessions of seconds, whatever was asked for, never make a poll fail."""
    world.session_seconds = 7
    for _ in range(30):
        assert not poll_all(cloud, world, clock)
        clock.advance(3)


def test_one_broken_role_is_asked_for_once_per_step_and_hides_no_other(
    cloud: Cloud, world: World, clock: ManualClock
) -> None:
    """Its four regions fail; the others answer, and STS sees one call for it per back-off step."""
    broken = accounts(world)[0]
    assert broken.role is not None
    world.break_role(broken.role.arn)
    for _ in range(4):
        assert poll_all(cloud, world, clock) == {broken.id: len(REGIONS)}
        clock.advance(10)
    assert assumptions(world) == {account.id: 1 for account in accounts(world)}
    world.mend_role(broken.role.arn)
    clock.advance(1.1 * STEP)
    assert not poll_all(cloud, world, clock)


def test_own_credentials_that_aws_does_not_know(
    cloud: Cloud, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS's own code says so."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAUNKNOWN")
    with pytest.raises(AwsError) as caught:
        cloud.credentials.who_am_i(clock.monotonic() + 60)
    assert caught.value.failure.code == "InvalidClientTokenId"


def test_roles_are_chained_through_web_identity(
    cloud: Cloud,
    world: World,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """A pod's own IRSA credentials assume the roles, without any static key."""
    token = tmp_path / "token"
    token.write_text("a.b.c")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
    monkeypatch.setenv("AWS_ROLE_ARN", world.role_arn(HUB))
    assert cloud.credentials.identity(clock.monotonic() + 60).account_id == HUB
    assert not poll_all(cloud, world, clock)


def test_new_keys_in_a_file_are_found_without_a_restart(
    cloud: Cloud,
    world: World,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """When AWS refuses the exporter's own keys, the chain is read anew."""
    file = tmp_path / "credentials"
    file.write_text("[default]\naws_access_key_id = AKIAOLD\naws_secret_access_key = x\n")
    keys = [os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]]
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    hub = Account(HUB, regions=REGIONS)
    with pytest.raises(AwsError, match="UnrecognizedClientException"):
        cloud.macie.read(hub, "eu-west-1", clock.monotonic() + 60)
    file.write_text("[default]\naws_access_key_id = {}\naws_secret_access_key = {}\n".format(*keys))
    clock.advance(61)
    assert cloud.macie.read(hub, "eu-west-1", clock.monotonic() + 60).enabled
    assert world.served(HUB, "eu-west-1") == 1
