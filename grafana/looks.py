"""What colours, mappings and thresholds mean, the same on every panel."""

from collections.abc import Mapping
from dataclasses import dataclass

from exporter.model import KNOWN_STATUSES, UNKNOWN_STATUS
from exporter.state import TargetState
from grafana.promql import NONE_SEEN, NOT_CONFIGURED, NOT_YET

OK = "green"
INFO = "blue"
WARNING = "orange"
CRITICAL = "red"
UNKNOWN = "#8e8e8e"
NEUTRAL = "text"
"""For what is neither good nor bad."""

SEVERITIES = (OK, INFO, WARNING, CRITICAL, UNKNOWN, NEUTRAL)

_STATUSES: Mapping[str, str] = {
    "Enabled": "dark-green",
    "Paused": "dark-yellow",
    "Invited": "semi-dark-blue",
    "Created": "light-blue",
    "EmailVerificationInProgress": "super-light-blue",
    "EmailVerificationFailed": "light-purple",
    "Removed": "dark-red",
    "Resigned": "light-orange",
    "RegionDisabled": "dark-purple",
    "AccountSuspended": "light-red",
}
STATUSES: Mapping[str, str] = {
    **{status: _STATUSES[status] for status in KNOWN_STATUSES},
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


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a value stands for: the text instead of the number, and its colour."""

    text: str
    colour: str


NONE: Mapping[int, Meaning] = {
    NOT_CONFIGURED: Meaning("trust is not configured", WARNING),
    NOT_YET: Meaning("not known yet", UNKNOWN),
    NONE_SEEN: Meaning("none seen, some unknown", UNKNOWN),
    0: Meaning("none", OK),
}
SUCCESS: Mapping[int, Meaning] = {0: Meaning("failed", CRITICAL), 1: Meaning("ok", OK)}
TOLD: Mapping[int, Meaning] = {0: Meaning("no: nobody is unknown", WARNING), 1: Meaning("yes", OK)}
ADMINISTERED: Mapping[int, Meaning] = {0: Meaning("by nobody", INFO), 1: Meaning("yes", OK)}
MACIE: Mapping[int, Meaning] = {0: Meaning("off", INFO), 1: Meaning("on", OK)}
SCRAPED: Mapping[int, Meaning] = {0: Meaning("down", CRITICAL), 1: Meaning("up", OK)}

Steps = tuple[tuple[float | None, str], ...]
"""Thresholds: from which value on which colour holds; the first from None, the lowest."""

PLAIN: Steps = ((None, NEUTRAL),)
ANY_IS_INFO: Steps = ((None, OK), (1, INFO))
ANY_IS_WARNING: Steps = ((None, OK), (1, WARNING))
ANY_IS_CRITICAL: Steps = ((None, OK), (1, CRITICAL))
SHARE: Steps = ((None, CRITICAL), (0.9, WARNING), (1, OK))
PENDING_AGE: Steps = ((None, INFO), (7 * 86400, WARNING))
