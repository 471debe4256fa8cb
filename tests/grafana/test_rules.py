"""The rules of Grafana's dashboard-linter, and stricter ones, as tests.

The JSON in the chart is what the code says, and stays what links and bookmarks hang on. What
grafana/ decides for all panels alike is seen in it instead.

https://github.com/grafana/dashboard-linter/blob/main/docs/index.md
"""

import json
import re
from pathlib import Path

import promql_parser as promql
import pytest

from grafana.board import SOURCE
from grafana.boards import BOARDS as MADE
from grafana.boards import FOLDER, published, written
from tests.grafana.reading import BOARDS, Json, asked_by, interpolated, panels, queries, variables
from tests.promql import complaints, exposed, nodes

ROOT = Path(__file__).parents[2]
WITH_CLUSTER = {name: labels | {"cluster"} for name, labels in exposed().items()}
"""Prometheus' external labels, or relabelling, add it where there are several clusters."""
OF_THE_EXPORTER = re.compile(r"macie_(exporter_|trust_configured|\w+_series_dropped)")
"""Series of no target."""
boards = pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)


def test_files_have_not_drifted() -> None:
    """`make dashboards` would change nothing, and leaves nothing over.

    Links, bookmarks and provisioning hang on uids; an id would be of one Grafana alone.
    """
    there = {path.stem: path.read_text() for path in FOLDER.glob("*.json")}
    assert there == {name: written(board) for name, board in MADE.items()}
    names = ("account", "exporter", "invitations")
    assert {each["uid"] for each in BOARDS.values()} == {f"macie-{name}" for name in names}
    assert not any({"id", "__inputs"} & board.keys() for board in BOARDS.values())


@boards
def test_what_grafana_com_takes(board: Json) -> None:
    """The dashboard itself, and what it needs: Prometheus, and each kind of panel that it has."""
    shared = published(board)
    assert shared.items() >= board.items()
    assert {*shared} - {*board} == {"__inputs", "__elements", "__requires", "id"}
    kinds = {each["type"] for each in panels(board)}
    assert {each["id"] for each in shared["__requires"]} == kinds | {"prometheus", "grafana"}


@boards
def test_queries_ask_for_what_there_is(board: Json) -> None:
    """They parse, and name series and labels that the exporter or its scrape has."""
    asked = {each.where: each.expr for each in queries(board)}
    asking = [each for each in variables(board).values() if each["type"] == "query"]
    asked |= {each["name"]: asked_by(each)[0] for each in asking}
    found = {where: complaints(interpolated(x), also=WITH_CLUSTER) for where, x in asked.items()}
    assert {where: said for where, said in found.items() if said} == {}


PARTS = {
    "targets are counted once, which replicas that overlap have twice": (
        r"macie_(invitation(?!_series)|untrusted(?!_\w+_dropped)|enabled|poll_)",
        r"max by \(aws_account_id[^()]*\) \($",
    ),
    "counters are seen as rates": (r"macie_exporter_aws\w+|process_cpu_seconds_total", r"rate\($"),
    "buckets are seen as quantiles": (
        r"aws\w+_bucket",
        r"histogram_quantile\([\d.]+, sum by \(le, .*",
    ),
    "rates are over `$__rate_interval`": (r"(rate|increase)\([^[]+\[(?!\$__rate_i)", r"(?!)"),
    "no zero is made up, whatever is known": (r"\b(vector|absent|absent_over_time) *\(", r"(?!)"),
}
"""Parts of queries, and what has to stand before each; (?!) is nowhere."""


@boards
@pytest.mark.parametrize(("part", "before"), PARTS.values(), ids=PARTS)
def test_parts_of_queries(board: Json, part: str, before: str) -> None:
    """Whatever a query is for, these go only together."""
    for asked in queries(board):
        for found in re.finditer(part, asked.expr):
            assert re.search(before, asked.expr[: found.start()]), asked.where


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
    """A title of its own, a description in sentences, a text for what is not known, legends.

    Numbers and tables are of now: over time, they would show the last that was known once nothing
    is known any more.
    """
    titles = [panel["title"] for panel in panels(board)]
    assert all(titles)
    assert len(set(titles)) == len(titles)
    for panel in panels(board):
        assert panel["description"].endswith("."), panel["title"]
        assert "unknown" in panel["fieldConfig"]["defaults"]["noValue"], panel["title"]
        of_now = panel["type"] in {"stat", "table", "barchart"}
        assert {target["instant"] for target in panel["targets"]} == {of_now}, panel["title"]
        for target in panel["targets"]:
            legend = target.get("legendFormat")
            assert legend or target["format"] == "table", panel["title"]
            for label in re.findall(r"{{(\w+)}}", legend or ""):
                assert label == "instance" or label in target["expr"], panel["title"]


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
            if name.startswith("macie_") and not OF_THE_EXPORTER.match(name):
                assert matched["aws_account_id"] == "A", (asked.where, name)
                assert name == "macie_account_info" or matched["aws_region"] == "R", asked.where


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
