"""Rules as the chart makes them of `prometheusRule`, rendered by the real helm.

With `additionalAggregationLabels` one place evaluates them for several clusters, each of which is
as if it were alone; with `accountLabels` alerts about an account carry its labels.
"""

import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import promql_parser as promql
import pytest

from tests.helm.charts import CHART, objects, run
from tests.helm.conftest import require_tool
from tests.promql import nodes
from tests.rules.rulefile import (
    HERE,
    Rule,
    Trial,
    failures,
    minutes,
    needed,
    queries,
    read_cases,
    rules,
    unnoticed,
)


@cache
def rendered_rules(*apart: str, **values: object) -> Sequence[Rule]:
    """Return all rules as the chart makes them, those that keep some labels apart."""
    asked = {"alerts": {"MacieWithoutAdministrator": {"enabled": True}}, **values}
    asked |= {"enabled": True, "additionalAggregationLabels": apart}
    flags = ("--set-json", f"prometheusRule={json.dumps(asked)}")
    only = ("--show-only", "templates/prometheusrule.yaml")
    (made,) = objects(run(require_tool("helm4"), "template", "a", CHART, *flags, *only))
    (group,) = made["spec"]["groups"]
    return tuple(group["rules"])


def test_rules_are_those_of_the_file_where_values_say_nothing() -> None:
    """Those that are left out by default included."""
    assert rendered_rules() == rules()


@pytest.mark.parametrize("path", sorted(HERE.glob("clusters/*.yaml")), ids=lambda path: path.stem)
def test_clusters_do_not_hide_each_other(path: Path, promtool: Path, tmp_path: Path) -> None:
    """What is whole, or there, in one cluster says nothing of another."""
    tried = sorted(read_cases(path), key=minutes)
    kept = needed(path.stem, rendered_rules("cluster"))
    trials = {str(case["name"]): Trial(kept, [case]) for case in tried}
    assert failures(promtool, tmp_path, trials) == {}
    assert unnoticed(promtool, tmp_path, {"as one": needed(path.stem)}, tried) == []


def test_every_query_keeps_the_labels() -> None:
    """Groups and matches of expressions; in texts what is asked for, with its values in order.

    So each cluster is as if it were alone, whatever happens in another.
    """
    kept = re.compile(r"(by|on) \(cluster, tenant[,)]|without \(alertname\)")
    for rule in rendered_rules("cluster", "tenant"):
        tree = promql.parse(rule["expr"])
        groups = [each.modifier for each in nodes(tree, promql.AggregateExpr)]
        pairs = [each.modifier for each in nodes(tree, promql.BinaryExpr) if each.modifier]
        matches = [each.matching for each in pairs if each.matching]
        assert [x for x in map(str, [*groups, *matches]) if not kept.match(x)] == []
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
    made = rendered_rules(accountLabels=("team", "cost-center"))
    (path,) = HERE.glob("labels/*.yaml")
    trial = Trial(needed(path.stem, made), read_cases(path))
    assert failures(promtool, tmp_path, {path.stem: trial}) == {}
    carry = {rule["alert"] for rule in made if "group_left (label_team" in rule["expr"]}
    about = {
        rule["alert"]
        for rule in made
        if "$labels.aws_account_id" in rule.get("annotations", {}).get("description", "")
    }
    assert carry == about
    assert len(about) == 8
