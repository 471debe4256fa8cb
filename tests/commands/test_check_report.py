"""The report: a configuration that can be loaded again, and numbers that are right."""

from pathlib import Path

import pytest

from exporter.commands.check_report import estimate, report
from exporter.configuration import options_from, trust_from
from exporter.model import (
    DEFAULT_REGIONS,
    MACIE_REGIONS,
    Account,
    Administrator,
    Answer,
    Target,
)
from exporter.settings import Settings
from exporter.sharding import shard_of
from tests.exposition.scene import Scene, invitation
from tests.settings.loads import loaded

ACCOUNTS = [f"{number:012d}" for number in range(1, 8)]
_OWN = (
    "#",
    "macie_exporter_",
    "macie_invitation_series_dropped",
    "macie_untrusted_inviter_series_dropped",
    "macie_trust_configured",
)
"""How lines begin that are no series of targets and accounts."""
SINGLE = ("metrics.per-invitation.enabled=true", "metrics.per-invitation.max-series=14")
STRANGERS = ("metrics.trusted-inviters=000000000001", "metrics.max-inviter-series=14")


def fleet(*flags: str) -> Settings:
    """Configure some accounts with a role in two regions, and whatever else."""
    ids = ",".join(f'{{"id": "{id_}", "role_name": "reader"}}' for id_ in ACCOUNTS)
    return loaded(f"aws.accounts=[{ids}]", "aws.regions=eu-west-1,us-east-1", *flags)


def test_the_report_is_the_effective_configuration() -> None:
    """Every setting in force, defaults included, a secret as asterisks; and what it all means."""
    settings = loaded(
        'aws.accounts=[{"id": "012345678901", "role_name": "r", "external_id": "hush"}, {"id": '
        '"111122223333", "name": "Zürich", "regions": ["eu-central-2"]}]',
        "aws.allow-unknown-regions=true",
        "poll.interval=1m",
        region="eu-west-1",
    )
    assert report(settings) == Path(__file__).with_name("report.txt").read_text()


@pytest.mark.parametrize(
    ("flags", "listed", "capped"),
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
def test_the_estimate_is_what_the_exposition_shows(
    flags: list[str], listed: int, capped: int
) -> None:
    """With every target polled each series is counted, what has a cap up to that."""
    settings = fleet(*flags)
    assert estimate(settings).series == _series(_polled(settings, listed=listed)) + capped


def _polled(settings: Settings, *, listed: int = 0) -> Scene:
    accounts = tuple(Account(each.id) for each in settings.aws.accounts)
    targets = [Target(each.id, region) for each in accounts for region in settings.aws.regions]
    scene = Scene(*targets, shows=options_from(settings, trust_from(settings)), accounts=accounts)
    for target in targets:
        listing = tuple(invitation(f"i{number}") for number in range(listed))
        administrator = Administrator("999988887777", "Enabled")
        scene.polled(target, Answer(True, listing, administrator))  # noqa: FBT003 -- enabled
    return scene


def _series(scene: Scene) -> int:
    return sum(not line.startswith(_OWN) for line in scene.text().splitlines())


@pytest.mark.parametrize(
    ("accounts", "flags", "targets", "calls"),
    [
        # Twelve polls an hour and target, and three refreshes of a session in two hours.
        (7, ("aws.regions=eu-west-1,us-east-1",), 14, 14 * 12 + 10),
        (7, ("aws.regions=eu-west-1", "poll.interval=10s"), 7, 7 * 360 + 10),
        (7, ("aws.regions=eu-west-1", "poll.interval=24h"), 7, 11),
        # Regions left to AWS are taken for those of everyone.
        (7, ("aws.regions=auto",), 7 * 17, 7 * 17 * 12 + 10),
        # Without accounts it is that of the environment's credentials.
        (0, ("aws.regions=eu-west-1,us-east-1",), 2, 24),
        (0, (), 1, 12),
    ],
)
def test_targets_and_calls(accounts: int, flags: tuple[str, ...], targets: int, calls: int) -> None:
    """Each target is one call an interval."""
    ids = ",".join(f'{{"id": "{id_}", "role_name": "reader"}}' for id_ in ACCOUNTS[:accounts])
    numbers = estimate(loaded(f"aws.accounts=[{ids}]", *flags))
    assert (numbers.targets, numbers.calls_an_hour) == (targets, calls)
    assert len(DEFAULT_REGIONS) == 17 < len(MACIE_REGIONS)


def test_a_shard_counts_its_own_accounts() -> None:
    """The numbers of all shards add up to those of one that has everything."""
    shards = [fleet("shard.total=3", f"shard.index={index}") for index in range(3)]
    targets = [estimate(shard).targets for shard in shards]
    assert sum(targets) == estimate(fleet()).targets
    assert targets == [
        2 * sum(shard_of(each, 3) == index for each in ACCOUNTS) for index in range(3)
    ]
    assert f"# targets: {targets[1]} (in shard 1 of 3)\n" in report(shards[1])


def test_discovered_accounts_come_on_top() -> None:
    """Nobody is asked how many they are: the report says what each is, or counts what is assumed.

    Each shard polls its part of them.
    """
    lone = loaded("aws.organization.role-name=r", "aws.regions=auto")
    assert (
        "# targets: unknown before the organization is asked for its accounts; "
        "--assume-accounts=500 counts 500 of them\n"
        "# each account that is discovered: 17 targets, about 936 series and 206 calls an hour\n"
    ) in report(lone)
    both = fleet("aws.organization.role-name=reader")
    assert "# targets: 14 (the organization's accounts come on top)\n" in report(both)
    assert estimate(both, 3).targets == estimate(both).targets + 6
    shard = loaded("aws.organization.role-name=r", "aws.regions=eu-west-1", "shard.total=4")
    assert estimate(shard, 500).targets == 125


def test_very_many_series_are_warned_of() -> None:
    """Above 100,000, with the number and with what to do; and no sooner."""

    def of(accounts: int) -> str:
        ids = ",".join(f'{{"id": "{n:012d}", "role_name": "r"}}' for n in range(accounts))
        return report(loaded(f"aws.accounts=[{ids}]", "aws.regions=eu-west-1"))

    said = "set metrics.zero_fill to invited or none, or use shards\n"
    assert f"# warning: about {1787 * 56} series: {said}" in of(1787)
    assert said not in of(1785)
