"""The rules of Grafana's dashboard-linter, and stricter ones, as tests.

What grafana/ decides for all panels alike is seen in the committed JSON instead.

https://github.com/grafana/dashboard-linter/blob/main/docs/index.md
"""

import json
import re
from pathlib import Path

import promql_parser as promql
import pytest

from grafana.board import SOURCE
from tests.grafana.reading import (
    BOARDS,
    Json,
    asked_by,
    interpolated,
    panels,
    queries,
    variables,
)
from tests.promql import complaints, exposed, nodes

ROOT = Path(__file__).parents[2]
WITH_CLUSTER = {name: labels | {"cluster"} for name, labels in exposed().items()}
"""Prometheus' external labels, or relabelling, add it where there are several clusters."""
OF_THE_EXPORTER = {
    "macie_invitation_series_dropped",
    "macie_trust_configured",
    "macie_untrusted_inviter_series_dropped",
}
"""Series of no target whose names do not say so."""
boards = pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)


@boards
def test_queries_ask_for_what_there_is(board: Json) -> None:
    """They parse, and name series and labels that the exporter or its scrape has."""
    asked = {each.where: each.expr for each in queries(board)}
    asking = [each for each in variables(board).values() if each["type"] == "query"]
    asked |= {each["name"]: asked_by(each)[0] for each in asking}
    found = {where: complaints(interpolated(x), also=WITH_CLUSTER) for where, x in asked.items()}
    assert {where: said for where, said in found.items() if said} == {}


@boards
def test_no_query_makes_up_a_zero(board: Json) -> None:
    """`vector(0)` reads 0 whatever is known."""
    made_up = re.compile(r"\b(vector|absent|absent_over_time) *\(")
    assert [each.where for each in queries(board) if made_up.search(each.expr)] == []


@boards
def test_targets_are_counted_once(board: Json) -> None:
    """Series of a target go through `max by` first: replicas that overlap have them twice."""
    of_targets = re.compile(
        r"macie_(invitation(?!_series)|untrusted(?!_\w+_dropped)|enabled|poll_)"
    )
    for asked in queries(board):
        for found in re.finditer(of_targets, asked.expr):
            before = asked.expr[: found.start()]
            assert re.search(r"max by \(aws_account_id[^()]*\) \($", before), asked.where


@boards
def test_variables_are_described_and_name_one_another_in_order(board: Json) -> None:
    """A variable depends on those before it alone, and a query on those that there are."""
    known = {"__rate_interval"}
    for each in variables(board).values():
        assert each["description"].endswith(".")
        assert set(re.findall(r"\$([a-z_]\w*)", each["query"])) <= known
        known.add(each["name"])
    for asked in queries(board):
        assert set(re.findall(r"\$([a-z_]\w*)", asked.expr)) <= known, asked.where
    # All clusters includes series without the label.
    assert re.fullmatch(variables(board)["cluster"]["allValue"], "")


@boards
def test_panels_say_what_they_show(board: Json) -> None:
    """A title of its own, a description in sentences, a text for what is not known, legends."""
    titles = [panel["title"] for panel in panels(board)]
    assert all(titles)
    assert len(set(titles)) == len(titles)
    for panel in panels(board):
        assert panel["description"].endswith("."), panel["title"]
        assert "unknown" in panel["fieldConfig"]["defaults"]["noValue"], panel["title"]
        for target in panel["targets"]:
            legend = target.get("legendFormat")
            assert legend or target["format"] == "table", panel["title"]
            for label in re.findall(r"{{(\w+)}}", legend or ""):
                assert label == "instance" or label in target["expr"], panel["title"]


@boards
def test_numbers_and_tables_are_of_now(board: Json) -> None:
    """Asked over time, they would show the last that was known once nothing is known any more."""
    for panel in panels(board):
        of_now = panel["type"] in {"stat", "table", "barchart"}
        assert {target["instant"] for target in panel["targets"]} == {of_now}, panel["title"]


@boards
def test_target_job_and_instance_rules(board: Json) -> None:
    """Selectors are held to the chosen clusters, jobs, instances; of targets to what they are of.

    Series of targets to account and region, those of accounts to the account.
    """
    fleet = {"cluster": "C", "job": "J", "instance": "I"}
    for asked in queries(board):
        expr = interpolated(asked.expr, **fleet, account="A", region="R")
        for selector in nodes(promql.parse(expr), promql.VectorSelector):
            name = selector.name or ""
            matched = {each.name: each.value for each in selector.matchers.matchers}
            assert fleet.items() <= matched.items(), (asked.where, name)
            if name.startswith("macie_exporter") or name in OF_THE_EXPORTER:
                continue
            if name.startswith("macie_"):
                assert matched["aws_account_id"] == "A", (asked.where, name)
                assert name == "macie_account_info" or matched["aws_region"] == "R", asked.where


@boards
def test_target_counter_and_histogram_rules(board: Json) -> None:
    """Counters are seen as rates over `$__rate_interval`, buckets as quantiles of rates."""
    for asked in queries(board):
        spans = re.findall(r"\b(?:rate|irate|increase)\([^[]+\[([^]]+)\]", asked.expr)
        assert set(spans) <= {"$__rate_interval"}, asked.where
        for counter in re.finditer(r"macie_exporter_aws\w+|process_cpu_seconds_total", asked.expr):
            before = asked.expr[: counter.start()]
            assert before.endswith("rate("), asked.where
            if counter[0].endswith("_bucket"):
                assert re.search(r"histogram_quantile\([\d.]+, sum by \(le, .*$", before)


@boards
def test_accounts_in_tables_are_text_and_lead_to_the_account(board: Json) -> None:
    """As a number an id would lose its leading zeros."""
    for panel in panels(board):
        renamed = [each["options"].get("renameByName", {}) for each in panel["transformations"]]
        if any("aws_account_id" in names for names in renamed):
            (column,) = [
                {each["id"]: each["value"] for each in override["properties"]}
                for override in panel["fieldConfig"]["overrides"]
                if override["matcher"]["options"] == "Account"
            ]
            assert column["unit"] == "string"
            assert "/d/macie-account/" in column["links"][0]["url"], panel["title"]


@boards
def test_links_lead_somewhere(board: Json) -> None:
    """To a dashboard of these with variables that it has, a runbook, or another document.

    Its head leads to the others.
    """
    known = {each["uid"]: each for each in BOARDS.values()}
    for url in re.findall(r'"url": "([^"]+)"', json.dumps(board)):
        if found := re.match(r"/d/([\w-]+)/\1\?", url):
            assigned = set(re.findall(r"(?:var-(\w+)=|\$\{(\w+):queryparam\})", url))
            names = {name for pair in assigned for name in pair if name}
            assert names <= set(variables(known[found[1]])), url
            assert url.endswith("&${__url_time_range}")
        elif url.startswith("${exporter}/targets/"):
            assert variables(board)["exporter"]["type"] == "textbox"
            assert re.fullmatch(r"\$\{exporter\}/targets/\S+/\$\{__value.raw\}", url)
        else:
            path = url.removeprefix(f"{SOURCE}/blob/main/")
            assert path != url
            assert (ROOT / path).is_file(), url
    led = {x["url"].split("/")[2] for x in board["links"] if x["url"].startswith("/d/")}
    assert led == known.keys() - {board["uid"]}
