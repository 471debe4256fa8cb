"""The report: a configuration that can be loaded again, and numbers that are right."""

from pathlib import Path

import pytest

from exporter.commands.report import estimate, report
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


def fleet(*flags: str, accounts: int = 7) -> Settings:
    """Configure some accounts with a role in two regions, and whatever else."""
    ids = ",".join(f'{{"id": "{id_}", "role_name": "reader"}}' for id_ in ACCOUNTS[:accounts])
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
    ("flags", "targets", "calls"),
    [
        # Twelve polls an hour and target, and three refreshes of a session in two hours.
        ((), 14, 14 * 12 + 10),
        (("poll.interval=10s",), 14, 14 * 360 + 10),
        (("poll.interval=24h",), 14, 11),
        (("aws.regions=eu-west-1",), 7, 7 * 12 + 10),
        (("aws.regions=auto",), 7 * 17, 7 * 17 * 12 + 10),
    ],
)
def test_targets_and_calls(flags: tuple[str, ...], targets: int, calls: int) -> None:
    """Each target is one call an interval; regions left to AWS are taken for those of everyone."""
    given = {flag.partition("=")[0]: flag for flag in ("aws.regions=eu-west-1,us-east-1", *flags)}
    ids = ",".join(f'{{"id": "{id_}", "role_name": "reader"}}' for id_ in ACCOUNTS)
    numbers = estimate(loaded(f"aws.accounts=[{ids}]", *given.values()))
    assert (numbers.targets, numbers.calls_an_hour) == (targets, calls)
    assert len(DEFAULT_REGIONS) == 17 < len(MACIE_REGIONS)


def test_without_accounts_it_is_the_own_one() -> None:
    """The account of the environment's credentials, in each of the regions."""
    assert estimate(loaded("aws.regions=eu-west-1,us-east-1")).targets == 2
    assert estimate(loaded(region="eu-west-1")).calls_an_hour == 12


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
    """Without the network nobody knows how many they are, so the report says what each is."""
    lone = loaded("aws.organization.role-name=r", "aws.regions=auto")
    assert (
        "# targets: unknown before the organization is asked for its accounts; "
        "--assume-accounts=500 counts 500 of them\n"
        "# each account that is discovered: 17 targets, about 936 series and 206 calls an hour\n"
    ) in report(lone)
    assert "# targets: 14 (the organization's accounts come on top)\n" in report(
        fleet("aws.organization.role-name=reader")
    )


def test_discovered_accounts_may_be_assumed() -> None:
    """They count beside the configured ones, each shard's part of them in a shard."""
    settings = loaded("aws.organization.role-name=r", "aws.regions=eu-west-1", "shard.total=4")
    assert estimate(settings, 500).targets == 125
    both = fleet("aws.organization.role-name=reader")
    assert estimate(both, 3).targets == estimate(both).targets + 6


def test_very_many_series_are_warned_of() -> None:
    """Above 100,000, with the number and with what to do; and no sooner."""
    many = ",".join(f'{{"id": "{number:012d}", "role_name": "r"}}' for number in range(1, 1788))
    few = ",".join(f'{{"id": "{number:012d}", "role_name": "r"}}' for number in range(1, 1786))
    warned = loaded(f"aws.accounts=[{many}]", "aws.regions=eu-west-1")
    numbers = estimate(warned)
    assert numbers.series == 1787 * 56
    assert numbers.warning == (
        "about 100072 series: set metrics.zero_fill to invited or none, or use shards"
    )
    assert f"# warning: {numbers.warning}\n" in report(warned)
    assert "zero_fill to" not in report(loaded(f"aws.accounts=[{few}]", "aws.regions=eu-west-1"))
