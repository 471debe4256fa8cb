"""Rules that one place evaluates for several clusters: each is as if it were alone.

The chart's `prometheusRule.additionalAggregationLabels` makes them; the real helm renders them.
"""

import json
import re
from bisect import bisect
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import promql_parser as promql
import pytest

from tests.helm.charts import CHART, objects, run
from tests.helm.conftest import require_tool
from tests.promql import nodes
from tests.rules.rulefile import (
    HERE,
    Case,
    Rule,
    Trial,
    alerts,
    failures,
    minutes,
    name_of,
    needed,
    read_cases,
    rules,
    unnoticed,
)
from tests.rules.rulefile import cases as all_cases
from tests.rules.test_rules import INNERMOST, queries

CLUSTERS = sorted(HERE.glob("clusters/*.yaml"))
ALERTS = list(alerts())
OFF = {"alerts": {"MacieWithoutAdministrator": {"enabled": True}}}
"""What the chart leaves out unless it is asked for."""


@cache
def apart(*labels: str) -> tuple[Rule, ...]:
    """Return the rules that keep some labels."""
    value = json.dumps({"enabled": True, "additionalAggregationLabels": labels, **OFF})
    flags = ("--set-json", f"prometheusRule={value}")
    only = ("--show-only", "templates/prometheusrule.yaml")
    (made,) = objects(run(require_tool("helm4"), "template", "a", CHART, *flags, *only))
    (group,) = made["spec"]["groups"]
    return tuple(group["rules"])


def cases(alert: str) -> list[Case]:
    """Return an alert's cases that have any series, the shortest first."""
    return [case for case in all_cases(alert) if case["input_series"]]


def by_length(alert: str, *ends: int) -> list[Sequence[Case]]:
    """Return an alert's cases, those of hours and of days apart; and what ends sooner than that."""
    groups: dict[int, list[Case]] = {}
    for case in cases(alert):
        groups.setdefault(bisect((*ends, 1000), minutes(case)), []).append(case)
    return [*groups.values()]


def of_cluster(series: Mapping[str, str], cluster: str) -> Mapping[str, str]:
    """Return a series of a case as it is where it is scraped in a cluster."""
    name, _, labels = series["series"].partition("{")
    return {**series, "series": f'{name}{{cluster="{cluster}",{labels or "}"}'}


def of_clusters(path: Path) -> list[Case]:
    """Return the cases of a file that has several clusters in each, the shortest first."""
    return sorted(read_cases(path), key=minutes)


@pytest.mark.parametrize("path", CLUSTERS, ids=lambda path: path.stem)
def test_clusters_do_not_hide_each_other(path: Path, promtool: Path, tmp_path: Path) -> None:
    """What is whole, or there, in one cluster says nothing of another."""
    kept = needed(path.stem, apart("cluster"))
    trials = {str(case.get("name")): Trial(kept, [case]) for case in of_clusters(path)}
    assert failures(promtool, tmp_path, trials) == {}
    as_one = {"as one": needed(path.stem)}
    assert unnoticed(promtool, tmp_path, as_one, of_clusters(path)) == []


def in_both(case: Case) -> Case:
    """Return a case that happens in two clusters at a time."""
    both = ("a", "b")
    series = [of_cluster(each, cluster) for each in case["input_series"] for cluster in both]
    expected = [
        {
            **at,
            "exp_alerts": [
                {**fired, "exp_labels": {**fired["exp_labels"], "cluster": cluster}}
                for fired in at.get("exp_alerts", [])
                for cluster in both
            ],
        }
        for at in case["alert_rule_test"]
    ]
    return {**case, "input_series": series, "alert_rule_test": expected}


@pytest.mark.parametrize("alert", [alert for alert in ALERTS if alert != "MacieExporterAbsent"])
def test_the_same_in_two_clusters_is_told_of_each(
    alert: str, promtool: Path, tmp_path: Path
) -> None:
    """What fires does for both, with the very same texts: in the shortest case in which it does."""
    fires = next(
        case for case in cases(alert) if any(at.get("exp_alerts") for at in case["alert_rule_test"])
    )
    trial = Trial(needed(alert, apart("cluster")), [in_both(fires)])
    assert failures(promtool, tmp_path, {alert: trial}) == {}


def all_at_once(alert: str, within: Sequence[Case]) -> Case:
    """Return cases of an alert as one, each of which happens in a cluster of its own."""
    named = [(f"c{number}", case) for number, case in enumerate(within)]
    (interval,) = {case["interval"] for _, case in named}
    return {
        "interval": interval,
        "input_series": [
            of_cluster(each, cluster) for cluster, case in named for each in case["input_series"]
        ],
        "promql_expr_test": [
            {
                "expr": f'ALERTS{{alertstate="firing",alertname="{alert}",cluster="{cluster}"}}',
                "eval_time": at["eval_time"],
                "exp_samples": [
                    {"labels": _alerts(alert, fired["exp_labels"], cluster), "value": 1}
                    for fired in at.get("exp_alerts", [])
                ],
            }
            for cluster, case in named
            for at in case["alert_rule_test"]
        ],
    }


def _alerts(alert: str, labels: Mapping[str, str], cluster: str) -> str:
    fixed = {"alertname": alert, "alertstate": "firing", "cluster": cluster}
    shown = ",".join(f'{key}="{text}"' for key, text in {**labels, **fixed}.items())
    return f"ALERTS{{{shown}}}"


@pytest.mark.parametrize("alert", ALERTS)
def test_every_cluster_is_as_if_it_were_alone(alert: str, promtool: Path, tmp_path: Path) -> None:
    """All cases at once, each in its own cluster, fire when they do alone, and only then."""
    kept = needed(alert, apart("cluster"))
    trials = {
        f"{len(some)} cases": Trial(kept, [all_at_once(alert, some)]) for some in by_length(alert)
    }
    assert failures(promtool, tmp_path, trials) == {}


def test_every_query_keeps_the_labels() -> None:
    """Groups and matches of expressions; in texts what is asked for, with its values in order."""
    for rule in apart("cluster", "tenant"):
        expr = rule["expr"]
        lists = re.findall(r"\b(?:by|on) \(([^)]*)", expr)
        assert [each for each in lists if not re.match(r"cluster, tenant(, |$)", each)] == []
        text = rule.get("annotations", {}).get("description", "")
        for query in queries(text):
            for selector in nodes(promql.parse(query), promql.VectorSelector):
                names = [each.name for each in selector.matchers.matchers]
                assert names[:2] == ["cluster", "tenant"]
        for formed, values in re.findall(r'printf "([^"]*)"([^|}]*)\| query', text):
            asked = [f"$labels.{label}" for label in re.findall(r"(\w+)=~?'%s'", formed)]
            # An inviter's name is that of an account.
            given = values.replace(
                "$labels.tenant $labels.inviter_account_id", "$labels.tenant $labels.aws_account_id"
            )
            assert given.split() == asked


KEPT = re.compile(r"\b(?:by|on) \(")
WITNESSES: Mapping[tuple[str, int], str] = {
    ("job:macie_exporter_shards:complete", 4): "MacieTargetsFailing",
    ("macie:alerts:held", 1): "MacieTargetStale",
    ("macie:exporter:known", 0): "MacieExporterAbsent",
    ("macie:exporter:known", 1): "MacieExporterAbsent",
}
"""Whose cases notice what a rule that records forgets, by rule and place."""
WITNESS = "MacieUntrustedInvitation"
"""Whose cases notice the rest."""


def places(witness: str) -> Iterator[tuple[str, int]]:
    """Yield the places that keep the label of which an alert's cases tell: the rule, the place."""
    for rule in rules():
        name = name_of(rule)
        for number, place in enumerate(KEPT.finditer(rule["expr"])):
            # The innermost is the same text in all that are about invitations: one has its case.
            if name != WITNESS and INNERMOST.search(rule["expr"], 0, place.end()):
                continue
            # What is forgotten after seven days would show only then.
            if rule["expr"].startswith("on (job) macie:job:seen", place.start()):
                continue
            tells = WITNESSES.get((name, number), WITNESS) if "record" in rule else name
            if tells == witness:
                yield name, number


@pytest.mark.parametrize("witness", ALERTS)
def test_cases_notice_a_place_that_forgets_the_label(
    witness: str, promtool: Path, tmp_path: Path
) -> None:
    """Wherever two clusters are taken for one, a case fails."""
    kept = needed(witness, apart("cluster"))
    broken = {
        f"{name}, {number}": [
            {**rule, "expr": forgetful(rule["expr"], number)} if name == name_of(rule) else rule
            for rule in kept
        ]
        for name, number in places(witness)
    }
    own = HERE / "clusters" / f"{witness}.yaml"
    tried = of_clusters(own) if own in CLUSTERS else []
    # Few and short ones notice most.
    at_once = [*by_length(witness, 30, 90), *by_length(witness)]
    tried += [all_at_once(witness, some) for some in at_once]
    assert unnoticed(promtool, tmp_path, broken, tried) == []


def forgetful(expr: str, number: int) -> str:
    """Return an expression that does not keep the label in one place."""
    start = [found.end() for found in KEPT.finditer(expr)][number]
    assert expr[start:].startswith("cluster")
    return expr[:start] + re.sub(r"\Acluster(, )?", "", expr[start:])
