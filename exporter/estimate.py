"""What a configuration means: targets, series, and calls to AWS. Pure arithmetic."""

from dataclasses import dataclass

from exporter.exposition.cache import families_of
from exporter.exposition.table import Group
from exporter.exposition.tally import Options

MANY_SERIES = 100_000
_HOUR = 3600
_SESSION_REFRESHES_AN_HOUR = 1.5
_PER_TARGET_WITHOUT_FILL = 3
"""Counts and times that a target with a single invitation shows, where nothing is zero-filled."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Numbers for `check` and for the warning at the start."""

    targets: int
    series: int
    calls_an_hour: int


def estimate(
    *, accounts: int, assumed: int, targets: int, interval: float, options: Options
) -> Estimate:
    """Estimate from counts of accounts, of those with a role, and of targets; interval in seconds."""
    statuses = len(options.filled_statuses)
    answers = statuses * (len(options.buckets.labels) + bool(options.trusted)) or _PER_TARGET_WITHOUT_FILL
    polls = sum(family.group is Group.POLL for family in families_of(options)) - 1
    per_target = answers + polls + 1
    series = targets * per_target + accounts + options.max_invitation_series
    calls = targets * _HOUR / interval + assumed * _SESSION_REFRESHES_AN_HOUR
    return Estimate(targets, series, round(calls))
