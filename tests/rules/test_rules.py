"""The alerts: what they fire on and what not, tried by promtool, and that nothing is untried."""

import re
from collections.abc import Iterator
from pathlib import Path

import promql_parser as promql
import pytest
import yaml

from exporter.error_codes import ERRORS
from exporter.model import KNOWN_STATUSES, PENDING_STATUSES
from tests.promql import complaints
from tests.rules.rulefile import (
    HERE,
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


def test_statuses_and_codes_are_those_of_the_exporter() -> None:
    """Every status is pending, an administrator's, or broken; none that AWS has is left out.

    Throttling codes are those that are explained as such, denials are known codes.
    """
    pending, active = set(PENDING_STATUSES), {"Enabled"}
    accepted, broken = active | {"Paused"}, set(KNOWN_STATUSES) - pending - active
    status = "relationship_status"
    assert matched("MacieUntrustedInvitation", status) == [pending] * 3
    assert matched("MacieInvitationPending", status) == [pending]
    assert matched("MacieUntrustedAdministrator", status) == [accepted] * 3
    assert matched("MacieRelationshipBroken", status) == [broken]
    limiting = {code for code, kind in ERRORS.items() if "limits the rate" in kind.hint}
    assert matched("MacieThrottled", "error_code") == [limiting]
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
DAMAGE = yaml.safe_load((HERE / "damage.yaml").read_text())
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
