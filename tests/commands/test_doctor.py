"""What `doctor` says of accounts that work and of accounts that do not."""

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from exporter.commands.doctor_report import Step, as_table
from exporter.model import Target
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
    """Deny an account in one region, and the hub all, its tags too; break a role."""
    world.fail(ACCOUNT, "eu-west-1", DENIED)
    world.fail(fleets.HUB, "eu-west-1", DENIED)
    world.fail(fleets.HUB, "us-east-1", DENIED)
    world.fail(fleets.HUB, "us-east-1", DENIED, service="ListTagsForResource")
    world.break_role(world.role_arn(OTHER))


SCENES: Mapping[str, Callable[[World], object]] = {
    "all is well": lambda world: world.disable_macie(ACCOUNT, "us-east-1"),
    "permissions are missing": permissions_are_missing,
    "Organizations denies": lambda world: world.fail(
        fleets.HUB, "*", DENIED, service="organizations"
    ),
}
SAID = (Path(__file__).parent / "doctor.txt").read_text().split("\n\n$ ")


@pytest.mark.parametrize("said", SAID, ids=lambda text: text.partition("\n")[0])
def test_what_is_said(world: World, doctor: Doctor, said: str) -> None:
    """As a terminal shows it: failures, what worked, what to do, and how much that is.

    Exit code 0 where what was asked for works, 1 where it does not, or is not to be polled.
    """
    typed, shown = said.strip().split("\n", 1)
    scene, *words = typed.removeprefix("$ ").split(" --")
    SCENES[scene](world)
    done = doctor(*(f"--{word}" for word in words), ORGANIZATION, *TRUSTING, "--log.level=error")
    assert (done.stderr, done.returncode) == ("", "\nFAIL " in done.stdout)
    assert re.sub(r"\d\.\d{3}  ", "0.000  ", done.stdout) == f"{shown}\n"


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


BROKEN = Step(
    "000000000001",
    "eu-west-1",
    "ListInvitations",
    ok=False,
    name="prod",
    seconds=0.1,
    detail="not authorized",
    error_code="AccessDeniedException",
    remedy="allow macie2:ListInvitations",
)
TARGETS = [Target("000000000001", "eu-west-1"), Target("000000000002", "eu-west-1")]


def test_what_somebody_can_mend_comes_first() -> None:
    """What may pass by itself comes last; a failure of no target's is not counted as one's."""
    throttled = replace(BROKEN, account="000000000002", error_code="ThrottlingException")
    table = as_table([throttled, BROKEN], TARGETS)
    assert [line.split()[1] for line in table.splitlines()[1:3]] == ["000000000001", "000000000002"]
    assert table.endswith("Mend first: 000000000001 prod eu-west-1 ListInvitations.\n")
    assert as_table([throttled], TARGETS).splitlines()[-1] == (
        "1 of 2 targets in 1 account fail. This may pass by itself: try again, "
        "then mend what stays."
    )
    tags = replace(BROKEN, account="", name="", region="", step="discovery")
    assert as_table([tags], TARGETS).splitlines()[-1] == (
        "No target fails. Mend first: exporter discovery."
    )


def test_a_table_of_many_targets_is_short() -> None:
    """What worked is a line for each kind of step, unless somebody wants to see it all."""
    many = [Target(f"{number:012d}", region) for number in range(425) for region in ("a", "b")]
    steps = [Step(*target, "ListInvitations", seconds=0.1) for target in many]
    roles = [Step(account, "", "AssumeRole") for account in {each.account_id for each in many}]
    broken = replace(roles[7], ok=False, error_code="AccessDenied", remedy="let it in")
    tried = [*roles[:7], broken, *roles[8:], *steps]
    lines = as_table(tried, many).splitlines()
    assert len(lines) == 9
    assert [" ".join(line.split()) for line in lines[2:4]] == [
        "ok 424 accounts - AssumeRole 0.000 worked 424 times",
        "ok 425 accounts 2 regions ListInvitations 0.100 worked 850 times",
    ]
    assert lines[-1].startswith("2 of 850 targets in 1 account fail. Mend first: ")
    assert len(as_table(tried, many, whole=True).splitlines()) == len(tried) + 6


def test_a_table_is_no_way_into_a_terminal() -> None:
    """What AWS, or whoever answers for it, says is shown as what it is, on its own line."""
    said = "a\x1b]0;b\x07\u202ec\nok    000000000002"
    shown = r"a\u001b]0;b\u0007\u202ec\nok    000000000002"
    table = as_table([replace(BROKEN, detail=said, remedy=said)], TARGETS)
    assert table.splitlines()[1].endswith(f"AccessDeniedException: {shown}")
    assert f"ListInvitations: {shown}\n" in table
