"""What `doctor` says of accounts that work and of accounts that do not."""

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest

from tests import fleets
from tests.embedded_aws.server import EmbeddedAws
from tests.embedded_aws.world import Fault, Invitation, World
from tests.inprocess import Done, command

ACCOUNT, OTHER = fleets.accounts(2)
ROLE = f"arn:aws:iam::{ACCOUNT}:role/macie-invitations-reader"
DENIED = Fault(403, "AccessDeniedException", "User: {caller} is not authorized to perform this")


@pytest.fixture
def world() -> World:
    """Two accounts, one of which has an invitation."""
    made = World(fleets.HUB, regions=fleets.REGIONS)
    made.add_account(ACCOUNT, "one")
    made.add_account(OTHER, "other")
    made.invite(ACCOUNT, "eu-west-1", Invitation("a", fleets.STRANGER, "Invited", None))
    return made


Doctor = Callable[..., Done]


@pytest.fixture
def doctor(world: World) -> Iterator[Doctor]:
    """The command, where that AWS is."""
    with EmbeddedAws(world) as aws:
        yield partial(command, aws.environment(), "doctor")


NO_FILES = dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"), os.devnull)
ORGANIZATION = "--aws.organization.role-name=macie-invitations-reader"
TRUSTING = ("--metrics.trusted-inviters=000000000009",)


def permissions_are_missing(world: World) -> None:
    """Deny an account and the hub in one region, and the hub's tags; break a role."""
    world.fail(ACCOUNT, "eu-west-1", DENIED)
    world.fail(fleets.HUB, "eu-west-1", DENIED)
    world.fail(fleets.HUB, "us-east-1", DENIED, service="ListTagsForResource")
    world.break_role(world.role_arn(OTHER))


def some_pass_by_themselves(world: World) -> None:
    """Throttle the hub, and deny an account."""
    world.fail(fleets.HUB, "*", Fault(429, "ThrottlingException", "slow down"))
    world.fail(OTHER, "us-east-1", DENIED)


SCENES: Mapping[str, Callable[[World], object]] = {
    "all is well": lambda world: world.disable_macie(ACCOUNT, "us-east-1"),
    "permissions are missing": permissions_are_missing,
    "some pass by themselves": some_pass_by_themselves,
    "what AWS says steers terminals": lambda world: world.fail(
        OTHER, "us-east-1", Fault(400, "Odd", "a\x1b]0;b\x07\u202ec\nok    000000000002")
    ),
    "Organizations denies": lambda world: world.fail(
        fleets.HUB, "*", DENIED, service="organizations"
    ),
}
SAID = (Path(__file__).parent / "doctor.txt").read_text().split("\n\n$ ")


@pytest.mark.parametrize("said", SAID, ids=lambda text: text.partition("\n")[0])
def test_what_is_said(world: World, doctor: Doctor, said: str) -> None:
    """As a terminal shows it: failures, what worked, what to do, and how much that is.

    What somebody can mend comes first, what may pass by itself last; what worked is a line for
    each kind of step, unless somebody wants to see it all.

    Exit code 0 where what was asked for works, 1 where it does not, or is not to be polled.
    """
    typed, shown = said.strip().split("\n", 1)
    scene, *words = typed.removeprefix("$ ").split(" --")
    SCENES[scene](world)
    done = doctor(*(f"--{word}" for word in words), ORGANIZATION, *TRUSTING, "--log.level=error")
    assert (done.stderr, done.returncode) == ("", "\nFAIL " in done.stdout)
    assert re.sub(r"\d+\.\d{3} +", "0.000    ", done.stdout) == f"{shown}\n"


def test_regions_that_are_not_told(world: World, doctor: Doctor) -> None:
    """The action is named, in the role's policy."""
    world.deny_region_listing(ACCOUNT)
    done = doctor(ORGANIZATION, "--aws.regions=auto", f"--account={ACCOUNT}")
    said = f"ListRegions: allow account:ListRegions on Resource '*' in the policy of {ROLE}"
    assert said in done.stdout


def test_it_can_be_read_by_programs(doctor: Doctor) -> None:
    """Each step with all that the table has of it."""
    words = ("--aws.regions=us-east-1", f"--account={ACCOUNT}", "--format=json")
    own, *_, read = json.loads(doctor(ORGANIZATION, *words).stdout)
    assert own["detail"].startswith(f"arn:aws:iam::{fleets.HUB}:")
    assert 0 < read.pop("seconds") < 60
    assert read == {
        "account": ACCOUNT,
        "name": "one",
        "region": "us-east-1",
        "step": "ListInvitations",
        "ok": True,
        "detail": "0 invitations",
        "error_code": "",
        "remedy": "",
    }


def test_no_credentials_at_all() -> None:
    """They are all that is said to be missing: of accounts and regions nothing is known then.

    That nobody is named who may invite is warned of in any case.
    """
    words = ("--aws.regions=eu-west-1", "--account=999999999999", "--region=us-east-1")
    done = command({"AWS_EC2_METADATA_DISABLED": "true", **NO_FILES}, "doctor", *words)
    row, _, what_to_do, remedy, _, verdict, _, warning = done.stdout.splitlines()[1:]
    assert row.endswith("CredentialsError: boto3 found no credentials in any of its sources")
    assert what_to_do == "What to do:"
    assert remedy.startswith("- exporter own credentials: no usable AWS credentials: set AWS_PROF")
    assert verdict == "No target was tried. Mend first: exporter own credentials."
    assert "set metrics.trusted_inviters or metrics.trust_organization" in warning
