"""What a configuration means: its effective settings, and its targets, series and calls of AWS."""

from dataclasses import dataclass

from exporter.commands import number
from exporter.configuration import options_from, trust_from
from exporter.exposition.counts import Options
from exporter.exposition.families import METRICS, Group
from exporter.model import DEFAULT_REGIONS
from exporter.settings import AccountSettings, Settings
from exporter.settings.fields import AUTO
from exporter.settings.yaml import write_yaml
from exporter.sharding import shard_of

MANY_SERIES = 100_000
_HOUR = 3600
_OF_A_POLL = {Group.POLL, Group.OUTCOME}
_SESSION_REFRESHES_AN_HOUR = 1.5
_PER_TARGET_WITHOUT_FILL = 3
"""Counts and times that a target with a single invitation shows, where nothing is zero-filled."""

_UNSET: tuple[object, ...] = ("", [], {})

WITHOUT_TRUST = (
    "nobody is named who may invite, so no alert can tell a stranger's invitation from any other: "
    "set metrics.trusted_inviters or metrics.trust_organization"
)


@dataclass(frozen=True, slots=True)
class Estimate:
    """Numbers for `check` and for the warning at the start."""

    targets: int
    series: int
    calls_an_hour: int
    capped: int
    """Of the series, those that outsiders decide on, up to a cap."""

    @property
    def warning(self) -> str:
        """What to do about very many series; empty where they are not."""
        if self.series <= MANY_SERIES:
            return ""
        return (
            f"about {self.series} series: set metrics.zero_fill to invited or none, or use shards"
        )


def as_yaml(settings: Settings) -> str:
    """Return the effective configuration as YAML, secrets hidden."""
    tree = settings.model_dump(mode="json", exclude={"config"}, exclude_none=True)
    tree["aws"]["accounts"] = [
        {key: value for key, value in account.items() if value not in _UNSET}
        for account in tree["aws"]["accounts"]
    ]
    return write_yaml(tree)


def report(settings: Settings, discovered: int = 0) -> str:
    """Return the effective configuration, and its numbers as comments.

    `discovered` is how many accounts of the organization to assume.
    """
    numbers = estimate(settings, discovered)
    lines = _totals(settings, numbers, discovered)
    if settings.aws.organization:
        each, none = _of(settings, [None], roles=1), _of(settings, [], roles=0)
        lines.append(
            f"# each account that is discovered: {number(each.targets, 'target')}, about "
            f"{each.series - none.series} series and {each.calls_an_hour} calls an hour"
        )
    if numbers.warning:
        lines.append(f"# warning: {numbers.warning}")
    if not trust_from(settings).configured:
        lines.append(f"# warning: {WITHOUT_TRUST}")
    return "\n".join([as_yaml(settings), *lines, ""])


def _totals(settings: Settings, numbers: Estimate, discovered: int) -> list[str]:
    if settings.aws.organization and not (numbers.targets or discovered):
        unknown = "unknown before the organization is asked for its accounts"
        return [f"# targets: {unknown}; --assume-accounts=500 counts 500 of them"]
    capped = f" (up to {numbers.capped} of them name inviters)" if numbers.capped else ""
    return [
        f"# targets: {numbers.targets}{_remarks(settings, discovered)}",
        f"# series: about {numbers.series}{capped}, and those of the exporter itself",
        f"# AWS API calls an hour: about {numbers.calls_an_hour}",
    ]


def estimate(settings: Settings, discovered: int = 0) -> Estimate:
    """Estimate what the configured accounts mean, and so many discovered ones, in this shard."""
    aws, shard = settings.aws, settings.shard
    mine = [each for each in aws.accounts if shard_of(each.id, shard.total) == shard.index]
    # Without configured or discovered accounts it is the one whose credentials there are.
    others = round(discovered / shard.total) if aws.organization else not aws.accounts
    roles = sum(account.role is not None for account in mine)
    roles += others if aws.organization else 0
    return _of(settings, [*mine, *[None] * others], roles)


def _of(settings: Settings, accounts: list[AccountSettings | None], roles: int) -> Estimate:
    """Estimate what accounts mean; None is one of which nothing is configured."""
    options = options_from(settings, trust_from(settings))
    targets = sum(_regions(account, settings) for account in accounts)
    capped = options.max_invitation_series + options.trust.configured * options.max_inviter_series
    series = targets * _series_of_a_target(options) + len(accounts) + capped
    asked = 1 + options.administrator
    polls = targets * asked * _HOUR / settings.poll.interval.total_seconds()
    calls = round(polls + roles * _SESSION_REFRESHES_AN_HOUR)
    return Estimate(targets, series, calls, capped)


def _series_of_a_target(options: Options) -> int:
    filled = len(options.filled_statuses) * (len(options.buckets.labels) + options.trust.configured)
    polls = sum(family.group in _OF_A_POLL for family in METRICS)
    # macie_enabled is one more, macie_poll_error_info is only there while polls fail.
    # Whether there is an administrator, and which.
    return (filled or _PER_TARGET_WITHOUT_FILL) + 1 + polls - 1 + 2 * options.administrator


def _regions(account: AccountSettings | None, settings: Settings) -> int:
    regions = (account.regions if account else ()) or settings.aws.regions
    return len(DEFAULT_REGIONS) if regions == (AUTO,) else len(regions) or 1


def _remarks(settings: Settings, discovered: int) -> str:
    parts = []
    if settings.shard.total > 1:
        parts.append(f"in shard {settings.shard.index} of {settings.shard.total}")
    if settings.aws.organization:
        assumed = f"{discovered} accounts of the organization are assumed"
        parts.append(assumed if discovered else "the organization's accounts come on top")
    if settings.auto_regions:
        parts.append(f"regions `{AUTO}` count as {len(DEFAULT_REGIONS)}")
    return f" ({'; '.join(parts)})" if parts else ""
