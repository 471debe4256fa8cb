"""What the demo's tests share: a world of two accounts, its AWS, and real clients of it."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.session
import pytest
from botocore.config import Config

from exporter.demo.server import EmbeddedAws
from exporter.demo.world import World

HUB = "111111111111"
MEMBER = "000011112222"
REGION = "eu-west-1"

# botocore makes a client's methods at run time, so its type says nothing of them.
Client = Any
Clients = Callable[..., Client]
Credentials = dict[str, Any]
Assume = Callable[..., Credentials]


class Clock:
    """A clock that moves when told; it starts at the present, as botocore looks at that too."""

    def __init__(self) -> None:
        """Start at the present."""
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        """Return the moment that it shows."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Move on."""
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    """The clock that sessions expire by."""
    return Clock()


@pytest.fixture
def world() -> World:
    """A hub and one member account."""
    world = World(HUB)
    world.add_account(MEMBER, "payments")
    return world


@pytest.fixture
def aws(world: World, clock: Clock) -> Iterator[EmbeddedAws]:
    """The embedded AWS of that world, running."""
    with EmbeddedAws(world, clock) as running:
        yield running


@pytest.fixture
def clients(aws: EmbeddedAws) -> Iterator[Clients]:
    """Make real clients that do not retry, of the hub's user unless given other credentials."""
    session = botocore.session.Session()
    made: list[Client] = []

    def client(
        service: str, credentials: Credentials | None = None, *, region: str = REGION
    ) -> Client:
        environment = aws.environment()
        keys = credentials or {
            "AccessKeyId": environment["AWS_ACCESS_KEY_ID"],
            "SecretAccessKey": environment["AWS_SECRET_ACCESS_KEY"],
        }
        made.append(
            session.create_client(
                service,
                region_name=region,
                endpoint_url=aws.url,
                aws_access_key_id=keys["AccessKeyId"],
                aws_secret_access_key=keys["SecretAccessKey"],
                aws_session_token=keys.get("SessionToken"),
                config=Config(retries={"total_max_attempts": 1}, proxies={}),
            )
        )
        return made[-1]

    yield client
    for one in made:
        one.close()


@pytest.fixture
def assume(clients: Clients, world: World) -> Assume:
    """Assume the world's role in an account, as the hub's user."""

    def assumed(account: str = MEMBER, **arguments: object) -> Credentials:
        answer = clients("sts").assume_role(
            RoleArn=world.role_arn(account), RoleSessionName="reader", **arguments
        )
        credentials: Credentials = answer["Credentials"]
        return credentials

    return assumed
