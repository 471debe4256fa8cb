"""What `doctor` says of accounts that work and of accounts that do not."""

import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import pytest

from exporter.commands.doctor_report import Step, as_table
from exporter.model import Target
from tests import fleets
from tests.embedded_aws.server import EmbeddedAws
from tests.embedded_aws.world import Fault, Invitation, World
from tests.inprocess import Done, command

ACCOUNT, OTHER = fleets.accounts(2)
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
FLAGS = (
    "--aws.organization.role-name=macie-invitations-reader",
    "--aws.regions=auto",
    "--metrics.administrator.enabled",
)


def test_everything_works(world: World, doctor: Doctor) -> None:
    """Each step with what it found; that Macie is not enabled is no failure."""
    world.disable_macie(ACCOUNT, "us-east-1")
    shown = json.loads(doctor(*FLAGS, "--format=json", f"--account={ACCOUNT}").stdout)
    names = ("account", "region", "step", "ok", "detail")
    own, discovery, role, regions, *reads = (tuple(step[of] for of in names) for step in shown)
    assert own[4].startswith(f"arn:aws:iam::{fleets.HUB}:")
    assert discovery == ("", "", "discovery", True, f"3 accounts, {3 * len(reads)} targets")
    assert role == (ACCOUNT, "", "AssumeRole", True, world.role_arn(ACCOUNT))
    assert regions[2:] == ("ListRegions", True, ", ".join(read[1] for read in reads))
    found = {read[1]: read[4] for read in reads}
    assert found["eu-west-1"] == "1 invitation, administrator none"
    assert found["us-east-1"] == "Macie is not enabled"


def test_a_missing_permission_is_named(world: World, doctor: Doctor) -> None:
    """In the role's policy where a role is used, in the exporter's own where not."""
    world.fail(ACCOUNT, "eu-west-1", DENIED)
    world.deny_region_listing(ACCOUNT)
    world.fail(fleets.HUB, "eu-west-1", DENIED)
    world.break_role(world.role_arn(OTHER))
    world.fail(fleets.HUB, "us-east-1", DENIED, service="ListTagsForResource")
    done = doctor(*FLAGS, "--metrics.account-labels=team", "--log.level=error")
    assert (done.returncode, done.stderr) == (1, "")
    tags = "allow the exporter's role organizations:ListTagsForResource"
    assert f"- {fleets.HUB} ListTagsForResource: {tags}" in done.stdout
    role = f"in the policy of {world.role_arn(ACCOUNT)}"
    assert f"ListRegions: allow account:ListRegions on Resource '*' {role}" in done.stdout
    assert f"ListInvitations: allow macie2:ListInvitations on Resource '*' {role}" in done.stdout
    assert "allow macie2:ListInvitations on Resource '*' in the exporter's own" in done.stdout
    assert f"let the trust policy of {world.role_arn(OTHER)} name" in done.stdout
    assert "set metrics.trusted_inviters or metrics.trust_organization" in done.stdout


def test_the_command(world: World, doctor: Doctor) -> None:
    """Exit code 0 where what was asked for works, 1 where it does not, or is not to be polled."""
    flags = (FLAGS[0], "--aws.regions=eu-west-1,us-east-1")
    world.break_role(world.role_arn(OTHER))
    done = doctor(*flags, f"--account={ACCOUNT}", "--region=us-east-1", "--format=json")
    assert done.returncode == 0
    steps = [(step["account"], step["region"], step["step"]) for step in json.loads(done.stdout)]
    assert steps == [
        ("", "", "own credentials"),
        ("", "", "discovery"),
        (ACCOUNT, "", "AssumeRole"),
        (ACCOUNT, "us-east-1", "ListInvitations"),
    ]
    done = doctor(*flags, "--account=999999999999")
    assert done.returncode == 1
    assert re.search(r"^FAIL +9{12} .* not among the accounts to poll$", done.stdout, re.MULTILINE)
    done = doctor(*flags, f"--account={ACCOUNT}", "--region=us-eats-1")
    assert done.returncode == 1
    assert "us-eats-1 discovery: configure it, or look whether it is misspelled" in done.stdout
    assert "not among the accounts" not in done.stdout
    world.fail(fleets.HUB, "*", DENIED, service="organizations")
    done = doctor(*flags, "--account=999999999999")
    assert "organizations:ListAccounts" in done.stdout
    assert "999999999999" not in done.stdout
    assert "`iam` prints that policy" in done.stdout


def test_no_credentials_at_all() -> None:
    """They are all that is said to be missing: of accounts and regions nothing is known then."""
    words = ("--aws.regions=eu-west-1", "--account=999999999999", "--region=us-east-1")
    done = command({"AWS_EC2_METADATA_DISABLED": "true", **NO_FILES}, "doctor", *words)
    row, _, what_to_do, remedy, _, verdict, *_ = done.stdout.splitlines()[1:]
    assert row.endswith("CredentialsError: boto3 found no credentials in any of its sources")
    assert what_to_do == "What to do:"
    assert remedy.startswith("- exporter own credentials: no usable AWS credentials: set AWS_PROF")
    assert verdict == "No target was tried. Mend first: exporter own credentials."


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
ARN = "arn:aws:iam::000000000001:role/reader"
STEPS = [
    Step("", "", "own credentials", seconds=0.01, detail="arn:aws:iam::1:user/x"),
    Step("000000000001", "", "AssumeRole", name="prod", seconds=0.2, detail=ARN),
    BROKEN,
]
TARGETS = [Target("000000000001", "eu-west-1"), Target("000000000002", "eu-west-1")]


def test_the_table() -> None:
    """As a terminal shows it: failures, what worked, what to do, and how much that is."""
    assert (
        as_table(STEPS, TARGETS)
        == """\
      account            region     step             seconds  result
FAIL  000000000001 prod  eu-west-1  ListInvitations  0.100    AccessDeniedException: not authorized
ok    -                  -          own credentials  0.010    arn:aws:iam::1:user/x
ok    000000000001 prod  -          AssumeRole       0.200    arn:aws:iam::000000000001:role/reader

What to do:
- 000000000001 prod eu-west-1 ListInvitations: allow macie2:ListInvitations

1 of 2 targets in 1 account fail. Mend first: 000000000001 prod eu-west-1 ListInvitations.
"""
    )
    assert as_table(STEPS[:2], TARGETS).endswith("\n\nEverything works.\n")


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
