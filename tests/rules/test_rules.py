"""The alerts: what they fire on and what not, tried by promtool, and that nothing is untried."""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import promql_parser as promql
import pytest

from exporter.error_codes import ERRORS
from exporter.model import KNOWN_STATUSES, PENDING_STATUSES
from tests.promql import complaints, selectors
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
HOLD = re.compile(r"\n\s*or\n\s*max without \(alertname\) \(.*\Z", re.DOTALL)
"""The end of an expression that keeps its alert while nothing is known."""


@pytest.mark.parametrize("alert", ALERTS)
def test_fires_when_it_should_and_only_then(alert: str, promtool: Path, tmp_path: Path) -> None:
    """Promtool evaluates the shipped rule over each case's series."""
    trials = {case["name"]: Trial(needed(alert), [case]) for case in cases(alert)}
    assert failures(promtool, tmp_path, trials) == {}


def test_cases_fire_and_do_not() -> None:
    """Each alert, and no other, has cases in which it fires, and some in which it does not."""
    assert {path.stem for path in HERE.glob("*.yaml")} == set(ALERTS)
    for alert in ALERTS:
        tries = [case["alert_rule_test"] for case in cases(alert)]
        assert {each["alertname"] for case in tries for each in case} == {alert}
        fires = {any(each.get("exp_alerts") for each in case) for case in tries}
        assert fires == {True, False}, alert


@pytest.mark.parametrize("rule", rules(), ids=name_of)
def test_asks_only_for_what_there_is(rule: Rule) -> None:
    """Expressions, and the queries in texts, parse and name series and labels that exist."""
    asked = [rule["expr"], *queries(rule.get("annotations", {}).get("description", ""))]
    assert [each for query in asked for each in complaints(query, RECORDED)] == []


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
        assert named == ({alert} if alert not in {"MacieExporterAbsent", "MacieJobGone"} else set())


def test_what_is_held_of_invitations_is_settled_alike() -> None:
    """By an answer of the alert's own job, or of another job that does not hold it too."""
    same_target, job = "on (aws_account_id, aws_region)", "on (job, aws_account_id, aws_region)"
    about = ("UntrustedInvitation", "UntrustedAdministrator", "InvitationPending")
    for alert in (
        *(f"Macie{each}" for each in (*about, "RelationshipBroken", "WithoutAdministrator")),
    ):
        held = f'macie:alerts:held{{alertname="{alert}"}}'
        assert " ".join(ALERTS[alert]["expr"].split()).endswith(
            f"or max without (alertname) ( {held} unless {job} macie_enabled "
            f"unless {same_target} ( macie_enabled unless {job} {held} ) ) > 0"
        )


def test_held_labels_are_all_that_alerts_have() -> None:
    """An alert is held with all its labels: else one would resolve and another fire."""
    for alert in ALERTS:
        labels = {
            label
            for case in cases(alert)
            for each in case["alert_rule_test"]
            for fired in each.get("exp_alerts", [])
            for label in fired["exp_labels"]
        }
        assert labels <= RECORDED["macie:alerts:held"] | {"severity", "instance"}


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


Change = Callable[[dict[str, Any]], None]


def expression(change: Callable[[str], str]) -> Change:
    """Make a change of a rule from one of its expression."""
    return lambda rule: rule.update(expr=change(rule["expr"]))


def ways_to_break(alert: str) -> Iterator[tuple[str, str, Change]]:
    """Yield what can be taken from an alert: a name, the rule that changes, and the change."""
    rule, expr = ALERTS[alert], expression
    yield "never", alert, expr(lambda it: f"({it}) and on () vector(0) > 0")
    if "for" in rule:
        yield "at once", alert, lambda rule: rule.pop("for")
        yield "late", alert, lambda rule: rule.update({"for": "2h"})
    if held := HOLD.search(rule["expr"]):
        yield "not held", alert, expr(without(HOLD))
        if "unless on" in held[0]:
            yield "held for good", alert, expr(without(SETTLED, ") > 0"))
    for number, place in enumerate(REGION.finditer(rule["expr"])):
        # The innermost is the same text in all that are about invitations: one has its case.
        if alert == WITNESS or not INNERMOST.search(rule["expr"], 0, place.start()):
            yield f"regions alike, {number}", alert, expr(without_region(number))
    if "# threshold" in rule["expr"]:
        mark = r"([<>]) \S+( +# threshold)"
        yield "threshold high", alert, expr(without(mark, r"\1 1000000\2"))
        yield "threshold low", alert, expr(without(mark, r"\1 0.0001\2"))
    for what, (name, witness, part, put) in DAMAGE.items():
        if witness == alert:
            yield what, name, expr(without(re.compile(part, re.DOTALL), put))


WITNESS = "MacieUntrustedInvitation"
"""Whose cases try what is the same in all that are about invitations."""
SETTLED = re.compile(
    r"unless on \((job, )?aws_account_id, aws_region\) macie_\w+( == 1)?\s*"
    r"(unless on \(aws_account_id, aws_region\) \([^()]*\([^)]*\)[^()]*\)\s*)?\) > 0\s*\Z",
)
"""The end of an expression that holds its alert, which says when that ends."""
COMPLETE, HELD = "job:macie_exporter_shards:complete", "macie:alerts:held"
NAMELESS = r"\n\s*or\n\s*#.*?(?=\n\s*or\n\s*max without)"
DAMAGE: Mapping[str, tuple[str, str, str, str]] = {
    "complete without the first round": (
        COMPLETE,
        "MacieTargetsFailing",
        r" == 0\n  *\)",
        " >= 0)",
    ),
    "complete with a shard too few": (COMPLETE, WITNESS, r">= max by", "> -1 * max by"),
    "complete with something down": (COMPLETE, WITNESS, r"unless on \(job\) up == 0", ""),
    "not held while its target is one": (
        HELD,
        WITNESS,
        r"max by[^)]*\)[^)]*\)\s*and on \(aws.*?or\n",
        "",
    ),
    "held though its target is gone": (HELD, WITNESS, r"unless on \(job\)[^\n]*", ""),
    "held only while its target is one": (HELD, WITNESS, r"or\n.*complete", ""),
    "held before it fires": (HELD, "MacieTargetsFailing", r', alertstate="firing"', ""),
    "held too short": ("macie:job:seen_timestamp_seconds", "MacieJobGone", "< 7  #", "< 0.05  #"),
    "one inviter for all": (WITNESS, WITNESS, r", inviter_account_id\) \(", ") ("),
    "only with a name": (WITNESS, WITNESS, NAMELESS, ""),
    "a name hides those that are left out": (
        WITNESS,
        WITNESS,
        r"unless on \(job\) macie_untr[^\n]*",
        "",
    ),
    "a name hides nothing": (
        WITNESS,
        WITNESS,
        r"(?<=> 0)\s+unless on \(job, aws_account_id, aws_region\) \(\s+macie_untrusted.*?\n\s+\)",
        "",
    ),
    "one administrator for all": ("MacieUntrustedAdministrator",) * 2
    + (r", inviter_account_id\) \(", ") ("),
    "an administrator only with a name": ("MacieUntrustedAdministrator",) * 2 + (NAMELESS, ""),
    "one that knows speaks for all": ("MacieNothingPolled",) * 2 + (r", instance\) mac", ") mac"),
    "nothing only where it is unknown": ("MacieNothingPolled",) * 2 + (r"sum by.*?\bor\n", ""),
    "each shard needs accounts": ("MacieNothingPolled",) * 2
    + (r"(?<=sum by \()job", "job, instance"),
    "gone though it is down": ("MacieJobGone", "MacieJobGone", r"unless on \(job\) up", ""),
    "gone though it comes from elsewhere": ("MacieJobGone",) * 2
    + (r"unless on \(job\) macie_\w+", ""),
}
"""What else can be taken: the rule, the alert whose cases notice, the place, and what instead."""


@pytest.mark.parametrize("alert", ALERTS)
def test_cases_notice_a_broken_rule(alert: str, promtool: Path, tmp_path: Path) -> None:
    """Whatever is taken from a rule, or from those that it needs, a case of its alert fails."""
    damaged: dict[str, list[Rule]] = {}
    for what, name, change in ways_to_break(alert):
        broken = {name_of(rule): dict(rule) for rule in needed(alert)}
        change(broken[name])
        promql.parse(broken[name]["expr"])
        damaged[what] = list(broken.values())
    assert unnoticed(promtool, tmp_path, damaged, cases(alert)) == []


def test_an_alert_is_forgotten_some_days_after_its_job(promtool: Path, tmp_path: Path) -> None:
    """At 20 minutes the job ends; with a day's twentieth instead of seven days that is long ago."""
    (case,) = [each for each in cases("MacieJobGone") if each["name"].startswith("It fires once")]
    over = [{"eval_time": time, "alertname": "MacieJobGone"} for time in ("93m", "99m")]
    still = [at for at in case["alert_rule_test"] if at["eval_time"] != "99m"]
    assert all("exp_alerts" in at for at in still[1:])
    short = [
        {**rule, "expr": rule["expr"].replace("< 7  #", "< 0.05  #")}
        for rule in needed("MacieJobGone")
    ]
    trial = Trial(short, [{**case, "alert_rule_test": [*still, *over]}])
    assert failures(promtool, tmp_path, {"": trial}) == {}


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alternative_has_a_condition(alert: str) -> None:
    """Else it fires wherever its series is, as a reader, and pint, would say.

    https://cloudflare.github.io/pint/checks/alerts/comparison.html
    """
    for part in alternatives(promql.parse(ALERTS[alert]["expr"])):
        assert "absent(" in str(part) or compares(part), str(part)


def alternatives(tree: promql.Expr) -> Iterator[promql.Expr]:
    """Yield what an expression's outermost `or` joins."""
    if isinstance(tree, promql.BinaryExpr) and str(tree.op) == "or":
        yield from alternatives(tree.lhs)
        yield from alternatives(tree.rhs)
    else:
        yield tree


def compares(tree: promql.Expr) -> bool:
    """Return whether an expression keeps only some values of its left side."""
    while isinstance(tree, promql.ParenExpr):
        tree = tree.expr
    if not isinstance(tree, promql.BinaryExpr):
        return False
    if str(tree.op) in {"and", "unless"}:
        return compares(tree.lhs)
    return str(tree.op) in {"==", "!=", ">", "<", ">=", "<="}
