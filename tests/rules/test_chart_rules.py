"""Rules as the chart makes them of `prometheusRule`, rendered by the real helm.

With `additionalAggregationLabels` one place evaluates them for several clusters, each of which is
as if it were alone; with `accountLabels` alerts about an account carry its labels.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path

import promql_parser as promql
import pytest

from tests.promql import nodes
from tests.rules.rulefile import (
    HERE,
    Case,
    Rule,
    Trial,
    alerts,
    cases,
    failures,
    minutes,
    needed,
    queries,
    read_cases,
    rendered_rules,
    unnoticed,
)

CLUSTERS = sorted(HERE.glob("clusters/*.yaml"))
ALL = {"MacieWithoutAdministrator": {"enabled": True}}
"""With what the chart leaves out unless it is asked for."""
WITNESS = "MacieUntrustedAdministrator"
"""Whose case tries the labels of accounts."""


@cache
def apart(*labels: str) -> Sequence[Rule]:
    """Return the rules that keep some labels."""
    return rendered_rules(additionalAggregationLabels=labels, alerts=ALL)


@pytest.mark.parametrize("path", CLUSTERS, ids=lambda path: path.stem)
def test_clusters_do_not_hide_each_other(path: Path, promtool: Path, tmp_path: Path) -> None:
    """What is whole, or there, in one cluster says nothing of another."""
    tried = sorted(read_cases(path), key=minutes)
    kept = needed(path.stem, apart("cluster"))
    trials = {str(case["name"]): Trial(kept, [case]) for case in tried}
    assert failures(promtool, tmp_path, trials) == {}
    assert unnoticed(promtool, tmp_path, {"as one": needed(path.stem)}, tried) == []


def all_at_once(alert: str, within: Sequence[Case]) -> Case:
    """Return cases of an alert as one, each of which happens in a cluster of its own."""
    named = [(f"c{number}", case) for number, case in enumerate(within)]
    (interval,) = {case["interval"] for _, case in named}
    return {
        "interval": interval,
        "input_series": [
            _of_cluster(each, cluster) for cluster, case in named for each in case["input_series"]
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


def _of_cluster(series: Mapping[str, str], cluster: str) -> Mapping[str, str]:
    name, _, labels = series["series"].partition("{")
    return {**series, "series": f'{name}{{cluster="{cluster}",{labels or "}"}'}


def _alerts(alert: str, labels: Mapping[str, str], cluster: str) -> str:
    fixed = {"alertname": alert, "alertstate": "firing", "cluster": cluster}
    shown = ",".join(f'{key}="{text}"' for key, text in {**labels, **fixed}.items())
    return f"ALERTS{{{shown}}}"


@pytest.mark.parametrize("alert", alerts())
def test_every_cluster_is_as_if_it_were_alone(alert: str, promtool: Path, tmp_path: Path) -> None:
    """All cases at once, each in its own cluster, fire when they do alone, and only then."""
    kept = needed(alert, apart("cluster"))
    there = [case for case in cases(alert) if case["input_series"]]
    # Cases of hours and of days apart: all are evaluated as often as the longest.
    trials = {
        f"of days: {long}": Trial(kept, [all_at_once(alert, list(some))])
        for long, some in groupby(there, lambda case: minutes(case) > 1000)
    }
    assert failures(promtool, tmp_path, trials) == {}


def test_every_query_keeps_the_labels() -> None:
    """Groups and matches of expressions; in texts what is asked for, with its values in order."""
    for rule in apart("cluster", "tenant"):
        lists = re.findall(r"\b(?:by|on) \(([^)]*)", rule["expr"])
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


def test_alerts_about_an_account_carry_its_labels(promtool: Path, tmp_path: Path) -> None:
    """From the first on, through an outage, and new ones after it; an account without has none."""
    made = rendered_rules(accountLabels=["team", "cost-center"])
    trial = Trial(needed(WITNESS, made), read_cases(HERE / "labels" / f"{WITNESS}.yaml"))
    assert failures(promtool, tmp_path, {WITNESS: trial}) == {}
    carry = {rule["alert"] for rule in made if "group_left (label_team" in rule["expr"]}
    about = {
        rule["alert"]
        for rule in made
        if "$labels.aws_account_id" in rule.get("annotations", {}).get("description", "")
    }
    assert carry == about
    assert len(about) == 7
