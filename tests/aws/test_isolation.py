"""Many accounts and regions through one client: no call is ever another's."""

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from exporter.model import Account, Answer, Role
from tests.aws.rig import REGION, Rig, rig
from tests.embedded_aws.server import EmbeddedAws
from tests.embedded_aws.world import Call, Invitation, World

HUB = "999900000000"
ACCOUNTS = [f"{number:012d}" for number in range(1, 33)]
REGIONS = (REGION, "us-east-1", "ap-south-1")
ROUNDS = 8


def populated() -> World:
    """Make a world where each target's invitations name it; some targets need two pages."""
    world = World(HUB, regions=REGIONS)
    for number, account in enumerate(ACCOUNTS):
        world.add_account(account, account)
        for region in REGIONS:
            for index in range(26 if number % 8 == 0 else 2):
                identity = f"{account}/{region}/{index}"
                when = datetime(2024, 1, 1, tzinfo=UTC)
                world.invite(account, region, Invitation(identity, account, "Invited", when))
    return world


def account_of(world: World, identity: str) -> Account:
    """Make the account as discovery would, with its role."""
    return Account(identity, role=Role(world.role_arn(identity)), regions=REGIONS)


def together(made: Rig, targets: Sequence[tuple[Account, str]], at_once: int) -> list[Answer]:
    """Read targets, so many at once; give the answers in their order."""

    async def read() -> list[Answer]:
        free = asyncio.Semaphore(at_once)

        async def one(account: Account, region: str) -> Answer:
            async with free:
                return await made.macie.read(account, region)

        return await asyncio.gather(*(one(*target) for target in targets))

    return made.run(read())


def belongs(answer: Answer, account: str, region: str) -> bool:
    """Return whether an answer is a target's own, and whole."""
    count = 26 if ACCOUNTS.index(account) % 8 == 0 else 2
    expected = [f"{account}/{region}/{index}" for index in range(count)]
    return [found.invitation_id for found in answer.invitations] == expected


def test_every_answer_belongs_to_its_target(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand calls, 32 at once; the server verifies every signature and its region."""
    world = populated()
    with EmbeddedAws(world) as aws:
        for name, value in aws.environment().items():
            monkeypatch.setenv(name, value)
        accounts = {identity: account_of(world, identity) for identity in ACCOUNTS}
        targets = [(account, region) for account in ACCOUNTS for region in REGIONS] * ROUNDS
        random.Random(3).shuffle(targets)
        with rig() as made:
            answers = together(made, [(accounts[one], region) for one, region in targets], 32)
            assert all(belongs(answer, *one) for answer, one in zip(answers, targets, strict=True))
            assert made.attempts.codes.count(None) == len(made.attempts.codes)
    calls = world.calls()
    assert {call.operation for call in calls} == {"AssumeRole", "ListInvitations"}
    for account in ACCOUNTS:
        # One session serves all of an account's regions, and comes from the exporter's own.
        assert calls[Call("sts", "AssumeRole", account, REGION)] == 1
        pages = 2 if ACCOUNTS.index(account) % 8 == 0 else 1
        for region in REGIONS:
            call = Call("macie2", "ListInvitations", account, region)
            assert calls[call] == ROUNDS * pages
