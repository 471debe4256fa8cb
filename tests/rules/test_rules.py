"""The alerts: what they fire on and what not, tried by promtool, and that nothing is untried."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import promql_parser as promql
import pytest

from exporter.error_codes import ERRORS
from exporter.model import KNOWN_STATUSES, PENDING_STATUSES
from tests.promql import complaints
from tests.rules.rulefile import (
    RECORDED,
    Rule,
    Trial,
    alerts,
    cases,
    failures,
    name_of,
    needed,
    queries,
    rules,
    unnoticed,
)

ALERTS = alerts()


@pytest.mark.parametrize("alert", ALERTS)
def test_fires_when_it_should_and_only_then(alert: str, promtool: Path, tmp_path: Path) -> None:
    """Promtool evaluates the shipped rule over each case's series."""
    trials = {case["name"]: Trial(needed(alert), [case]) for case in cases(alert)}
    assert failures(promtool, tmp_path, trials) == {}


@pytest.mark.parametrize("rule", rules(), ids=name_of)
def test_asks_only_for_what_there_is(rule: Rule) -> None:
    """Expressions, and the queries in texts, parse and name series and labels that exist."""
    asked = [rule["expr"], *queries(rule.get("annotations", {}).get("description", ""))]
    assert [each for query in asked for each in complaints(query, RECORDED)] == []


def test_what_is_held_of_invitations_is_settled_alike() -> None:
    """By an answer of the alert's own job, or of another job that does not hold it too."""
    ends = {
        alert: rule["expr"].partition("max without (alertname)")[2].replace(alert, WITNESS).split()
        for alert, rule in ALERTS.items()
    }
    for alert in OF_INVITATIONS.split():
        assert ends[f"Macie{alert}"] == ends[WITNESS]


OF_INVITATIONS = "UntrustedAdministrator InvitationPending RelationshipBroken WithoutAdministrator"


def matched(alert: str, label: str) -> list[set[str]]:
    """Return the values that an alert's expression matches a label with, matcher by matcher."""
    found = re.findall(rf'{label}=~"([^"]*)"', ALERTS[alert]["expr"])
    return [set(values.split("|")) for values in found]


def test_statuses_are_those_of_the_exporter() -> None:
    """Every status is pending, an administrator's, or broken; none that AWS has is left out."""
    pending, active = set(PENDING_STATUSES), {"Enabled"}
    assert matched("MacieUntrustedInvitation", "relationship_status") == [pending] * 3
    assert matched("MacieInvitationPending", "relationship_status") == [pending]
    accepted = active | {"Paused"}
    assert matched("MacieUntrustedAdministrator", "relationship_status") == [accepted] * 3
    (broken,) = matched("MacieRelationshipBroken", "relationship_status")
    assert broken == set(KNOWN_STATUSES) - pending - active


def test_codes_are_those_of_the_exporter() -> None:
    """Throttling codes are those that are explained as such, denials are known codes."""
    (codes,) = matched("MacieThrottled", "error_code")
    assert codes == {code for code, kind in ERRORS.items() if "limits the rate" in kind.hint}
    (denied,) = re.findall(r'error_code=~"([^"]*)"', ALERTS["MacieAccessDenied"]["expr"])
    denials = {code for code in ERRORS if re.fullmatch(denied, code)}
    assert denials == {"AccessDenied", "AccessDeniedException"}


def replaced(rule: Rule, part: str, put: str = "") -> Rule:
    """Return a rule with something else in a place of its expression, which must be there."""
    changed, count = re.subn(part, put, rule["expr"], flags=re.DOTALL)
    assert count, f"nothing to break: {part}"
    return {**rule, "expr": changed}


def ways_to_break(alert: str) -> Iterator[tuple[str, Rule]]:
    """Yield what can be taken from an alert, or from what it needs: a name, and the rule then."""
    rule, expr = ALERTS[alert], ALERTS[alert]["expr"]
    yield "never", {**rule, "expr": f"({expr}) and on () vector(0) > 0"}
    yield "always", {**rule, "expr": f"({expr}) or on () vector(1)"}
    if "for" in rule:
        yield "at once", {key: value for key, value in rule.items() if key != "for"}
        yield "late", {**rule, "for": "2h"}
    if alert not in OF_AN_ABSENCE:
        yield "not held", replaced(rule, HOLD)
        if "unless on" in expr.rpartition("max without (alertname)")[2]:
            yield "held for good", replaced(rule, SETTLED, ") > 0")
    for place in REGION.finditer(expr):
        # The innermost is the same text in all that are about invitations: one has its case.
        if alert == WITNESS or not INNERMOST.search(expr, 0, place.start()):
            alike = expr[: place.start()] + place[1] + expr[place.end() :]
            yield f"regions alike, {place.start()}", {**rule, "expr": alike}
    if "# threshold" in expr:
        mark = r"([<>]) \S+( +# threshold)"
        yield "threshold high", replaced(rule, mark, r"\1 1000000\2")
        yield "threshold low", replaced(rule, mark, r"\1 0.0001\2")
    for what, (name, part, put) in DAMAGE.get(alert, {}).items():
        (needs,) = [each for each in rules() if name_of(each) == name]
        yield what, replaced(needs, part, put)


OF_AN_ABSENCE = {"MacieExporterAbsent", "MacieExporterDown", "MacieJobGone"}
"""Alerts that last as long as what is missing does, without that hold."""
HOLD = r"\n\s*or\n\s*max without \(alertname\) \(.*\Z"
"""The end of an expression that keeps its alert while nothing is known."""
REGION = re.compile(r"(?<=\bon \()([^()]*), aws_region\b")
"""What two series must have in common to be of one target."""
INNERMOST = re.compile(r"\(\s+macie_enabled\s+unless on \(\Z")
WITNESS = "MacieUntrustedInvitation"
"""Whose cases try what is the same in all that are about invitations."""
SETTLED = (
    r"unless on \((job, )?aws_account_id, aws_region\) macie_\w+( == 1)?\s*"
    r"(unless on \(aws_account_id, aws_region\) \([^()]*\([^)]*\)[^()]*\)\s*)?\) > 0\s*\Z"
)
"""The end of an expression that holds its alert, which says when that ends."""
COMPLETE, HELD = "job:macie_exporter_shards:complete", "macie:alerts:held"
NAMELESS = r"\n\s*or\n\s*#.*?(?=\n\s*or\n\s*max without)"
DOWN, NOTHING, GONE = "MacieExporterDown", "MacieNothingPolled", "MacieJobGone"
ADMINISTRATOR = "MacieUntrustedAdministrator"
DAMAGE: Mapping[str, Mapping[str, tuple[str, str, str]]] = {
    DOWN: {"down for a day at most": (DOWN, r" or ALERTS\{[^}]*\}", "")},
    "MacieTargetsFailing": {
        "complete without the first round": (COMPLETE, r" == 0\n  *\)", " >= 0)"),
        "held before it fires": (HELD, r', alertstate="firing"', ""),
    },
    WITNESS: {
        "complete with a shard too few": (COMPLETE, r">= max by", "> -1 * max by"),
        "complete with something down": (COMPLETE, r"unless on \(job\) up == 0", ""),
        "not held while its target is one": (
            HELD,
            r"max by[^)]*\)[^)]*\)\s*and on \(aws.*?or\n",
            "",
        ),
        "held though its target is gone": (HELD, r"unless on \(job\)[^\n]*", ""),
        "held only while its target is one": (HELD, r"or\n.*complete", ""),
        "one inviter for all": (WITNESS, r", inviter_account_id\) \(", ") ("),
        "only with a name": (WITNESS, NAMELESS, ""),
        "a name hides those that are left out": (
            WITNESS,
            r"unless on \(job\) macie_untr[^\n]*",
            "",
        ),
        "a name hides nothing": (
            WITNESS,
            r"(?<=> 0)\s+unless on \([^()]*\) \(\s+macie_untrusted.*?\n\s+\)",
            "",
        ),
    },
    ADMINISTRATOR: {
        "one administrator for all": (ADMINISTRATOR, r", inviter_account_id\) \(", ") ("),
        "an administrator only with a name": (ADMINISTRATOR, NAMELESS, ""),
    },
    NOTHING: {
        "one that knows speaks for all": (NOTHING, r", instance\) mac", ") mac"),
        "nothing only where it is unknown": (NOTHING, r"sum by.*?\bor\n", ""),
        "each shard needs accounts": (NOTHING, r"(?<=sum by \()job", "job, instance"),
    },
    GONE: {
        "held too short": ("macie:job:seen_timestamp_seconds", "< 7  #", "< 0.05  #"),
        "gone though it is down": (GONE, r"unless on \(job\) up", ""),
        "gone though it comes from elsewhere": (GONE, r"unless on \(job\) macie_\w+", ""),
    },
}
"""What else can be taken, by the alert whose cases notice: the rule, the place, what instead."""


@pytest.mark.parametrize("alert", ALERTS)
def test_cases_notice_a_broken_rule(alert: str, promtool: Path, tmp_path: Path) -> None:
    """Whatever is taken from a rule, or from those that it needs, a case of its alert fails."""
    damaged = {}
    for what, broken in ways_to_break(alert):
        promql.parse(broken["expr"])
        damaged[what] = [
            broken if name_of(broken) == name_of(each) else each for each in needed(alert)
        ]
    assert unnoticed(promtool, tmp_path, damaged, cases(alert)) == []
