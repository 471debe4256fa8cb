"""Rules that one place evaluates for several clusters: each is as if it were alone.

The chart's `prometheusRule.additionalAggregationLabels` makes them; the real helm renders them.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import promql_parser as promql
import pytest
import yaml

from tests.helm.charts import CHART, objects, run
from tests.helm.conftest import require_tool
from tests.promql import nodes
from tests.rules.rulefile import HERE, Rule, alerts, cases_of, outcome, read_cases, rules
from tests.rules.test_rules import INNERMOST, queries

Case = Mapping[str, Any]
CLUSTERS = sorted(HERE.glob("clusters/*.yaml"))
ALERTS = list(alerts())


@cache
def apart(*labels: str) -> tuple[Rule, ...]:
    """Give the rules that keep some labels."""
    value = json.dumps({"enabled": True, "additionalAggregationLabels": labels})
    flags = ("--set-json", f"prometheusRule={value}")
    only = ("--show-only", "templates/prometheusrule.yaml")
    (made,) = objects(run(require_tool("helm4"), "template", "a", CHART, *flags, *only))
    (group,) = made["spec"]["groups"]
    return tuple(group["rules"])


def needed(alert: str, of: Sequence[Rule] | None = None) -> list[Rule]:
    """Give an alert and what it needs, of rules that keep the cluster or of others."""
    rules = apart("cluster") if of is None else of
    return [rule for rule in rules if "record" in rule or rule["alert"] == alert]


def cases(alert: str) -> list[Case]:
    """Give an alert's cases that have any series."""
    return [case for case in read_cases(cases_of(alert))["tests"] if case["input_series"]]


def of_cluster(series: Mapping[str, str], cluster: str) -> Mapping[str, str]:
    """Give a series of a case as it is where it is scraped in a cluster."""
    name, _, labels = series["series"].partition("{")
    return {**series, "series": f'{name}{{cluster="{cluster}",{labels or "}"}'}


def written(folder: Path, file: Case, tests: Sequence[Case], tried: Sequence[Rule]) -> Path:
    """Write cases like those of a file, and the rules that they are to be tried on."""
    group = {"name": "tried", "interval": "1m", "rules": list(tried)}
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": [group]}))
    changed = {**file, "rule_files": ["rules.yaml"], "tests": list(tests)}
    (folder / "cases.yaml").write_text(yaml.safe_dump(changed))
    return folder / "cases.yaml"


@pytest.mark.parametrize("path", CLUSTERS, ids=lambda path: path.stem)
def test_clusters_do_not_hide_each_other(path: Path, promtool: Path, tmp_path: Path) -> None:
    """What is whole, or there, in one cluster says nothing of another."""
    file = read_cases(path)
    for tried, code in ((needed(path.stem), 0), (needed(path.stem, rules()), 1)):
        done = outcome(promtool, written(tmp_path, file, file["tests"], tried))
        assert done.returncode == code, done.stdout + done.stderr


def in_both(case: Case) -> Case:
    """Give a case that happens in two clusters at a time."""
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
    """Every case fires for both, with the very same texts."""
    tests = [in_both(case) for case in cases(alert)]
    file = read_cases(cases_of(alert))
    done = outcome(promtool, written(tmp_path, file, tests, needed(alert)))
    assert done.returncode == 0, done.stdout + done.stderr


def all_at_once(alert: str) -> Case:
    """Give all cases of an alert as one, each of which happens in a cluster of its own."""
    named = [(f"c{number}", case) for number, case in enumerate(cases(alert))]
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
    file = read_cases(cases_of(alert))
    done = outcome(promtool, written(tmp_path, file, [all_at_once(alert)], needed(alert)))
    assert done.returncode == 0, done.stdout + done.stderr


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
            assert values.split() == asked


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


def places() -> Iterator[tuple[str, str, int]]:
    """Give all places that keep the label: an alert whose cases notice, the rule, the place."""
    for rule in rules():
        name = rule.get("alert") or rule["record"]
        for number, place in enumerate(KEPT.finditer(rule["expr"])):
            # The innermost is the same text in all that are about invitations: one has its case.
            if name != WITNESS and INNERMOST.search(rule["expr"], 0, place.end()):
                continue
            witness = WITNESSES.get((name, number), WITNESS) if "record" in rule else name
            yield witness, name, number


@pytest.mark.parametrize(("witness", "name", "number"), list(places()))
def test_cases_notice_a_place_that_forgets_the_label(
    witness: str, name: str, number: int, promtool: Path, tmp_path: Path
) -> None:
    """Wherever two clusters are taken for one, a case fails."""
    broken = [
        {**rule, "expr": forgetful(rule["expr"], number)}
        if name in {rule.get("alert"), rule.get("record")}
        else rule
        for rule in needed(witness)
    ]
    file, own = read_cases(cases_of(witness)), HERE / "clusters" / f"{witness}.yaml"
    tests = [all_at_once(witness), *(read_cases(own)["tests"] if own in CLUSTERS else ())]
    done = outcome(promtool, written(tmp_path, file, tests, broken))
    assert done.returncode == 1
    assert "unmarshal" not in done.stdout + done.stderr


def forgetful(expr: str, number: int) -> str:
    """Give an expression that does not keep the label in one place."""
    start = [found.end() for found in KEPT.finditer(expr)][number]
    assert expr[start:].startswith("cluster")
    return expr[:start] + re.sub(r"\Acluster(, )?", "", expr[start:])
