"""What colours, mappings and thresholds mean, the same on every panel."""

from collections.abc import Mapping

from exporter.model import UNKNOWN_STATUS
from exporter.state import TargetState
from grafana.promql import NONE_SEEN, NOT_CONFIGURED, NOT_YET

OK = "green"
INFO = "blue"
WARNING = "orange"
CRITICAL = "red"
UNKNOWN = "#8e8e8e"

STATUSES: Mapping[str, str] = {
    "Enabled": "dark-green",
    "Paused": "dark-yellow",
    "Invited": "semi-dark-blue",
    "Created": "light-blue",
    "Removed": "dark-red",
    "Resigned": "light-orange",
    "EmailVerificationInProgress": "super-light-blue",
    "EmailVerificationFailed": "light-purple",
    "RegionDisabled": "dark-purple",
    "AccountSuspended": "light-red",
    UNKNOWN_STATUS: UNKNOWN,
}
"""The colour of each relationship_status; one that AWS adds later gets one of Grafana's."""

TARGET_STATES: Mapping[str, str] = {
    TargetState.OK.value: OK,
    TargetState.NOT_ENABLED.value: INFO,
    TargetState.FAILING.value: WARNING,
    TargetState.STALE.value: CRITICAL,
    TargetState.PENDING.value: UNKNOWN,
}

Meanings = Mapping[int, tuple[str, str]]
"""What values stand for: the text instead of the number, and its colour."""

NONE: Meanings = {
    NOT_CONFIGURED: ("trust is not configured", WARNING),
    NOT_YET: ("not known yet", UNKNOWN),
    NONE_SEEN: ("none seen, some unknown", UNKNOWN),
    0: ("none", OK),
}
SUCCESS: Meanings = {0: ("failed", CRITICAL), 1: ("ok", OK)}
TOLD: Meanings = {0: ("no: nobody is unknown", WARNING), 1: ("yes", OK)}
ADMINISTERED: Meanings = {0: ("by nobody", INFO), 1: ("yes", OK)}
MACIE: Meanings = {0: ("off", INFO), 1: ("on", OK)}
SCRAPED: Meanings = {0: ("down", CRITICAL), 1: ("up", OK)}

Steps = tuple[tuple[float | None, str], ...]
"""Thresholds: from which value on which colour holds; the first from None, the lowest."""

PLAIN: Steps = ((None, "text"),)
ANY_IS_INFO: Steps = ((None, OK), (1, INFO))
ANY_IS_WARNING: Steps = ((None, OK), (1, WARNING))
ANY_IS_CRITICAL: Steps = ((None, OK), (1, CRITICAL))
SHARE: Steps = ((None, CRITICAL), (0.9, WARNING), (1, OK))
PENDING_AGE: Steps = ((None, INFO), (7 * 86400, WARNING))


def above(warning: float, critical: float) -> Steps:
    """Return thresholds of what is well as long as it is low."""
    return ((None, OK), (warning, WARNING), (critical, CRITICAL))
