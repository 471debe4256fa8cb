"""The alerts: what they fire on and what not, tried by promtool, and that nothing is untried."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.error_codes import ERRORS
from exporter.model import KNOWN_STATUSES, PENDING_STATUSES
from tests.promql import complaints, selectors
from tests.rules.rulefile import (
    HERE,
    RECORDED,
    Rule,
    alerts,
    cases_of,
    outcome,
    read_cases,
    rules,
)

ALERTS = alerts()
SEVERITIES = {"info", "warning", "critical"}
UNITS = {"m": 1, "h": 60, "d": 1440}
HOLD = re.compile(r"\n\s*or\n\s*max without \(alertname\) \(.*\Z", re.DOTALL)
"""The end of an expression that keeps its alert while nothing is known."""


@pytest.mark.parametrize("alert", ALERTS)
def test_fires_when_it_should_and_only_then(alert: str, promtool: Path) -> None:
    """Promtool evaluates the shipped rules over each case's series."""
    done = outcome(promtool, cases_of(alert))
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_file_of_cases_is_an_alerts() -> None:
    """No alert without cases, no cases without an alert."""
    assert {path.stem for path in HERE.glob("*.yaml")} == set(ALERTS)


@pytest.mark.parametrize("alert", ALERTS)
def test_cases_fire_and_do_not(alert: str) -> None:
    """Each alert has cases in which it fires, and whole cases in which it never does."""
    cases = read_cases(cases_of(alert))["tests"]
    tries = [case["alert_rule_test"] for case in cases]
    assert {each["alertname"] for case in tries for each in case} == {alert}
    assert any(each.get("exp_alerts") for case in tries for each in case)
    assert any(not any(each.get("exp_alerts") for each in case) for case in tries)


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.get("alert") or rule["record"])
def test_asks_only_for_what_there_is(rule: Rule) -> None:
    """Expressions, and the queries in texts, parse and name series and labels that exist."""
    asked = [rule["expr"], *queries(rule.get("annotations", {}).get("description", ""))]
    assert [each for query in asked for each in complaints(query, RECORDED)] == []


def queries(text: str) -> list[str]:
    """Give the queries of a template, with something in each place that is filled in."""
    return [
        query.replace("%s", "x")
        for query in re.findall(r'printf "([^"]*)"[^|}]*\| query', text, re.DOTALL)
    ]


def test_queries_in_texts_are_found() -> None:
    """Whatever a text asks Prometheus is checked."""
    for rule in ALERTS.values():
        text = rule["annotations"]["description"]
        assert len(queries(text)) == text.count("query")
    assert sum(len(queries(rule["annotations"]["description"])) for rule in ALERTS.values()) > 9


@pytest.mark.parametrize("alert", ALERTS)
def test_says_what_it_is(alert: str) -> None:
    """A name in CamelCase, one of three severities, a summary, a description and a runbook."""
    rule = ALERTS[alert]
    assert re.fullmatch(r"Macie(?:[A-Z][a-z]+)+", alert)
    assert set(rule["labels"]) == {"severity"}
    assert rule["labels"]["severity"] in SEVERITIES
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert "{{" not in rule["annotations"]["summary"]


def test_recorded_series_are_those_that_the_checks_know() -> None:
    """What the checks take for recorded is recorded, and used."""
    recorded = {rule["record"]: rule["expr"] for rule in rules() if "record" in rule}
    assert set(recorded) == set(RECORDED)
    asked = {each.metric for rule in rules() for each in selectors(rule["expr"])}
    assert set(recorded) <= asked


def test_alerts_are_held_by_their_own_name() -> None:
    """Every alert is held, by its own name; what is about an absence needs no hold."""
    for alert, rule in ALERTS.items():
        named = set(re.findall(r'alertname="(\w+)"', rule["expr"]))
        assert named == ({alert} if alert != "MacieExporterAbsent" else set())


def test_what_is_held_of_invitations_is_settled_alike() -> None:
    """By an answer of the alert's own job, or of another job that does not hold it too."""
    same_target, job = "on (aws_account_id, aws_region)", "on (job, aws_account_id, aws_region)"
    about = ("UntrustedInvitation", "UntrustedAdministrator", "InvitationPending")
    for alert in (*(f"Macie{each}" for each in about), "MacieRelationshipBroken"):
        held = f'macie:alerts:held{{alertname="{alert}"}}'
        assert " ".join(ALERTS[alert]["expr"].split()).endswith(
            f"or max without (alertname) ( {held} unless {job} macie_enabled "
            f"unless {same_target} ( macie_enabled unless {job} {held} ) )"
        )


def test_held_labels_are_all_that_alerts_have() -> None:
    """An alert is held with all its labels: else one would resolve and another fire."""
    for cases in (read_cases(cases_of(alert))["tests"] for alert in ALERTS):
        labels = {
            label
            for case in cases
            for each in case["alert_rule_test"]
            for fired in each.get("exp_alerts", [])
            for label in fired["exp_labels"]
        }
        assert labels <= RECORDED["macie:alerts:held"] | {"severity", "instance"}


def matched(alert: str, label: str) -> list[set[str]]:
    """Give the values that an alert's expression matches a label with, matcher by matcher."""
    found = re.findall(rf'{label}=~"([^"]*)"', ALERTS[alert]["expr"])
    return [set(values.split("|")) for values in found]


def test_statuses_are_those_of_the_exporter() -> None:
    """Every status is pending, an administrator's, or broken; none that AWS has is left out."""
    pending, active = set(PENDING_STATUSES), {"Enabled"}
    assert matched("MacieUntrustedInvitation", "relationship_status") == [pending]
    assert matched("MacieInvitationPending", "relationship_status") == [pending]
    assert matched("MacieUntrustedAdministrator", "relationship_status") == [active | {"Paused"}]
    (broken,) = matched("MacieRelationshipBroken", "relationship_status")
    assert broken == set(KNOWN_STATUSES) - pending - active


def test_codes_are_those_of_the_exporter() -> None:
    """Throttling codes are those that are explained as such, denials are known codes."""
    (codes,) = matched("MacieThrottled", "error_code")
    assert codes == {code for code, kind in ERRORS.items() if "limits the rate" in kind.hint}
    (denied,) = re.findall(r'error_code=~"([^"]*)"', ALERTS["MacieAccessDenied"]["expr"])
    assert {code for code in ERRORS if re.fullmatch(denied, code)} == {
        "AccessDenied",
        "AccessDeniedException",
    }


def without(part: str | re.Pattern[str], put: str = "") -> Callable[[str], str]:
    """Make a change to an expression that must find its place."""

    def change(expr: str) -> str:
        changed, count = re.subn(part, put, expr)
        assert count, f"nothing to break: {part}"
        return changed

    return change


REGION = re.compile(r"(?<=\bon \()([^()]*), aws_region\b")
"""What two series must have in common to be of one target."""
INNERMOST = re.compile(r"\(\s+macie_enabled\s+unless on \(\Z")


def without_region(number: int) -> Callable[[str], str]:
    """Make a change after which any region of an account is as good as another, in one place."""

    def change(expr: str) -> str:
        place = list(REGION.finditer(expr))[number]
        return expr[: place.start()] + place[1] + expr[place.end() :]

    return change


def broken_rules() -> Mapping[str, tuple[str, Callable[[dict[str, Any]], None]]]:
    """Give ways to break each alert: a name, the alert whose cases must notice, and the change."""
    ways: dict[str, tuple[str, Callable[[dict[str, Any]], None]]] = {}

    def expr(change: Callable[[str], str]) -> Callable[[dict[str, Any]], None]:
        return lambda rule: rule.update(expr=change(rule["expr"]))

    for alert, rule in ALERTS.items():
        ways[f"{alert}: never"] = (alert, expr(lambda it: f"({it}) and on () vector(0) > 0"))
        if "for" in rule:
            ways[f"{alert}: at once"] = (alert, lambda rule: rule.pop("for"))
            ways[f"{alert}: late"] = (alert, lambda rule: rule.update({"for": "2h"}))
        if HOLD.search(rule["expr"]):
            ways[f"{alert}: not held"] = (alert, expr(without(HOLD)))
        if "unless on" in rule["expr"].partition("held")[2]:
            settled = re.compile(
                r"unless on \((job, )?aws_account_id, aws_region\) macie_\w+( == 1)?\s*"
                r"(unless on \(aws_account_id, aws_region\) \(.*\)\s*)?\)\s*\Z",
                re.DOTALL,
            )
            ways[f"{alert}: held for good"] = (alert, expr(without(settled, ")")))
        for number, place in enumerate(REGION.finditer(rule["expr"])):
            # The innermost is the same text in all that are about invitations: one has its case.
            if alert == "MacieUntrustedInvitation" or not INNERMOST.search(
                rule["expr"], 0, place.start()
            ):
                ways[f"{alert}: regions alike, {number}"] = (alert, expr(without_region(number)))
        if "# threshold" in rule["expr"]:
            more, less = r"\1 1000000\2", r"\1 0.0001\2"
            mark = r"([<>]) \S+( +# threshold)"
            ways[f"{alert}: threshold high"] = (alert, expr(without(mark, more)))
            ways[f"{alert}: threshold low"] = (alert, expr(without(mark, less)))
    return ways


BROKEN = broken_rules()


@pytest.mark.parametrize("way", BROKEN)
def test_cases_notice_a_broken_rule(way: str, promtool: Path, tmp_path: Path) -> None:
    """Whatever is taken from a rule, a case of its alert fails."""
    alert, damage = BROKEN[way]
    rule = dict(ALERTS[alert])
    damage(rule)
    recording = [each for each in rules() if "record" in each]
    assert notice(promtool, tmp_path, [*recording, rule], alert)


MEMORY = {
    "job:macie_exporter_shards:complete": {
        "without the first round": (r" == 0\n  *\)", " >= 0)", "MacieTargetsFailing"),
        "with a shard too few": (r">= max by", "> -1 * max by", "MacieUntrustedInvitation"),
        "with something down": (r"unless on \(job\) up == 0", "", "MacieUntrustedInvitation"),
    },
    "macie:alerts:held": {
        "never while its target is one": (r"\A.*?or\n", "", "MacieUntrustedInvitation"),
        "though its target is gone": (r"unless on \(job\).*", "", "MacieUntrustedInvitation"),
        "only while its target is one": (r"or\n.*\Z", "", "MacieUntrustedInvitation"),
        "before it fires": (r', alertstate="firing"', "", "MacieTargetsFailing"),
    },
}
"""Ways to break the rules that record: what, what instead, and whose cases must notice."""


@pytest.mark.parametrize(
    ("record", "way"), [(name, way) for name in MEMORY for way in MEMORY[name]]
)
def test_cases_notice_a_broken_memory(
    record: str, way: str, promtool: Path, tmp_path: Path
) -> None:
    """What the alerts have in common is tried as well."""
    part, put, alert = MEMORY[record][way]
    change = without(re.compile(part, re.DOTALL), put)
    recording = [
        {**rule, "expr": change(rule["expr"])} if rule["record"] == record else rule
        for rule in rules()
        if "record" in rule
    ]
    assert notice(promtool, tmp_path, [*recording, ALERTS[alert]], alert)


def notice(promtool: Path, folder: Path, instead: Sequence[Rule], alert: str) -> bool:
    """Try an alert's cases on other rules than those that are shipped; tell whether one fails.

    The shortest first, and none after one that fails: some evaluate the minutes of two days.
    """
    group = {"name": "broken", "interval": "1m", "rules": list(instead)}
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": [group]}))
    whole = read_cases(cases_of(alert)) | {"rule_files": ["rules.yaml"]}
    for case in sorted(whole["tests"], key=_minutes):
        (folder / "cases.yaml").write_text(yaml.safe_dump(whole | {"tests": [case]}))
        if outcome(promtool, folder / "cases.yaml").returncode == 1:
            return True
    return False


def _minutes(case: Mapping[str, Any]) -> int:
    """Give when the last thing is looked at."""
    times = [str(each["eval_time"]) for each in case["alert_rule_test"]]
    return max(
        sum(int(number) * UNITS[unit] for number, unit in re.findall(r"(\d+)([mhd])", time))
        for time in times
    )
