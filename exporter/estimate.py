"""What a configuration means: targets, series, and calls to AWS. Pure arithmetic."""

from dataclasses import dataclass

from exporter.exposition.counts import Options
from exporter.exposition.families import METRICS, Group

MANY_SERIES = 100_000
_HOUR = 3600
_OF_A_POLL = {Group.POLL, Group.OUTCOME}
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
    """Estimate from how many accounts, roles and targets there are; interval in seconds."""
    filled = len(options.filled_statuses) * (len(options.buckets.labels) + options.trust.configured)
    polls = sum(family.group in _OF_A_POLL for family in METRICS)
    # macie_enabled is one more, macie_poll_error_info is only there while polls fail.
    per_target = (filled or _PER_TARGET_WITHOUT_FILL) + 1 + polls - 1
    # Whether there is an administrator, and which.
    per_target += 2 * options.administrator
    capped = options.max_invitation_series + options.trust.configured * options.max_inviter_series
    series = targets * per_target + accounts + capped
    asked = 1 + options.administrator
    calls = targets * asked * _HOUR / interval + assumed * _SESSION_REFRESHES_AN_HOUR
    return Estimate(targets, series, round(calls))
