"""`check`: a configuration that can be loaded again, and numbers that are right. No network."""

import json
import re
from pathlib import Path

import pytest

from exporter.configuration import options_from, trust_from
from exporter.model import Account, Administrator, Answer, Target
from tests.exposition.scene import Scene, invitation
from tests.inprocess import command
from tests.settings.loads import loaded

HERE = Path(__file__).parent
TWO = "aws.regions=eu-west-1,us-east-1"
ACCOUNTS = [f"{number:012d}" for number in range(1, 8)]
SINGLE = ("metrics.per-invitation.enabled=true", "metrics.per-invitation.max-series=14")
STRANGERS = ("metrics.trusted-inviters=000000000001", "metrics.max-inviter-series=14")
_OWN = (
    *("#", "macie_exporter_", "macie_trust_configured", "macie_invitation_series_dropped"),
    "macie_untrusted_inviter_series_dropped",
)
"""How lines begin that are no series of targets and accounts."""


def said(*flags: str, region: str = "eu-west-1") -> str:
    """Return what it prints; it complains of nothing."""
    done = command({"AWS_REGION": region}, "check", *(f"--{flag}" for flag in flags))
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def listed(count: int) -> str:
    """Return the flag that lists so many accounts, each with a role."""
    accounts = [{"id": f"{number:012d}", "role_name": "r"} for number in range(1, count + 1)]
    return f"aws.accounts={json.dumps(accounts)}"


LISTED = {f"ACCOUNTS={count}": listed(count) for count in (7, 1785, 1786)}


def test_it_prints_the_effective_configuration() -> None:
    """Every setting in force, defaults included, a secret as asterisks; and what it all means."""
    accounts = (
        '[{"id": "012345678901", "role_name": "r", "external_id": "hush"}, {"id": "111122223333", '
        '"name": "Zürich", "regions": ["eu-central-2"]}]'
    )
    out = said(f"aws.accounts={accounts}", "aws.allow-unknown-regions", "poll.interval=1m")
    assert out == (HERE / "report.txt").read_text()


@pytest.mark.parametrize(
    "meaning",
    (HERE / "meanings.txt").read_text().split("\n\n"),
    ids=lambda text: text.split("\n")[0],
)
def test_what_a_configuration_means(meaning: str) -> None:
    """A poll of each target an interval, three refreshes of a session in two hours; what is warned.

    Regions left to AWS are taken for those of everyone, for which no region is needed. Accounts
    that are to be discovered nobody is asked for: what each is, or what is assumed, is counted.
    """
    words, *lines = meaning.strip().splitlines()
    flags = [LISTED.get(word, word) for word in words.removeprefix("$").split()]
    out = said(*flags, region="" if "aws.regions=auto" in flags else "eu-west-1")
    shown = (line for line in out.splitlines() if line.startswith("# "))
    assert [line for line in shown if not line.startswith(("# warning: nobody", "# web"))] == lines


@pytest.mark.parametrize(
    ("flags", "invitations", "capped"),
    [
        ([], 0, 0),
        (["metrics.zero-fill=invited"], 0, 0),
        (["metrics.administrator.enabled=true"], 0, 0),
        (["metrics.age-buckets=1h,2h"], 0, 0),
        # Nothing is filled: an invitation each is assumed.
        (["metrics.zero-fill=none"], 1, 0),
        # Outsiders decide how many there are, up to the cap.
        (["metrics.zero-fill=none", *SINGLE], 1, 0),
        (["metrics.zero-fill=all", *STRANGERS], 0, 14),
        (["metrics.zero-fill=invited", *STRANGERS], 0, 14),
    ],
)
def test_as_many_series_are_told_as_are_shown(
    flags: list[str], invitations: int, capped: int
) -> None:
    """With every target polled each series is counted, what has a cap up to that."""
    flags = [listed(7), TWO, *flags]
    settings = loaded(*flags)
    accounts = tuple(Account(each) for each in ACCOUNTS)
    targets = [Target(each.id, region) for each in accounts for region in settings.aws.regions]
    scene = Scene(*targets, shows=options_from(settings, trust_from(settings)), accounts=accounts)
    for target in targets:
        seen = tuple(invitation(f"i{number}") for number in range(invitations))
        administrator = Administrator("999988887777", "Enabled")
        scene.polled(target, Answer(True, seen, administrator))  # noqa: FBT003 -- enabled
    shown = sum(not line.startswith(_OWN) for line in scene.text().splitlines())
    told = re.search(r"^# series: about (\d+)", said(*flags), re.MULTILINE)
    assert told
    assert int(told[1]) == shown + capped
