"""The rules of Grafana's dashboard-linter, and stricter ones, as tests.

What grafana/board.py decides for all panels alike is seen in the committed JSON instead.

https://github.com/grafana/dashboard-linter/blob/main/docs/index.md
"""

import re

import promql_parser as promql
import pytest

from tests.grafana.reading import (
    NAMES,
    Json,
    dashboard,
    interpolated,
    panels,
    queries,
    variable_queries,
    variables,
)
from tests.promql import nodes

UNITS = {
    "bytes",
    "dateTimeAsIso",
    "dtdurations",
    "none",
    "percentunit",
    "reqps",
    "s",
    "short",
    "string",
}
"""Those in use, all of Grafana's own list."""
OF_THE_EXPORTER = {
    "macie_invitation_series_dropped",
    "macie_trust_configured",
    "macie_untrusted_inviter_series_dropped",
}
"""Series of no target whose names do not say so."""
BOARDS = [pytest.param(dashboard(name), id=name) for name in NAMES]
boards = pytest.mark.parametrize("board", BOARDS)


@boards
def test_clusters_can_be_chosen_and_need_not_be_there(board: Json) -> None:
    """All of them includes series without the label."""
    assert re.fullmatch(variables(board)["cluster"]["allValue"], "")


@boards
def test_template_label_promql_rule(board: Json) -> None:
    """Variables that ask Prometheus do so in one of the ways that Grafana knows."""
    asked = [each for each in variables(board).values() if each["type"] == "query"]
    assert len(list(variable_queries(board))) == len(asked) > 0


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


@boards
def test_panel_title_description_rule(board: Json) -> None:
    """A title that is the panel's own, and a description in sentences."""
    titles = [panel["title"] for panel in panels(board)]
    assert len(set(titles)) == len(titles)
    assert all(titles)
    for panel in panels(board):
        assert panel["description"].endswith("."), panel["title"]


@boards
def test_panel_units_rule(board: Json) -> None:
    """Every panel has a unit, and so has every field that differs."""
    for panel in panels(board):
        config = panel["fieldConfig"]
        given = [
            each["value"]
            for override in config["overrides"]
            for each in override["properties"]
            if each["id"] == "unit"
        ]
        assert {config["defaults"]["unit"], *given} <= UNITS, panel["title"]


@boards
def test_target_rate_interval_rule(board: Json) -> None:
    """Rates are over `$__rate_interval`."""
    for asked in queries(board):
        spans = re.findall(r"\b(?:rate|irate|increase)\([^[]+\[([^]]+)\]", asked.expr)
        assert set(spans) <= {"$__rate_interval"}, asked.where


@boards
def test_target_job_and_instance_rules(board: Json) -> None:
    """Every selector is held to the chosen clusters, jobs and instances."""
    expected = {"cluster": "C", "job": "J", "instance": "I"}
    for asked in queries(board):
        for selector in _selectors(interpolated(asked.expr, **expected)):
            matched = {each.name: each.value for each in selector.matchers.matchers}
            assert expected.items() <= matched.items(), (asked.where, selector.name)


@boards
def test_targets_are_held_to_the_chosen_accounts_and_regions(board: Json) -> None:
    """Series of targets to both, those of accounts to the account; names are joined anyhow."""
    expected = {"aws_account_id": "A", "aws_region": "R"}
    for asked in queries(board):
        for selector in _selectors(interpolated(asked.expr, account="A", region="R")):
            name = selector.name or ""
            matched = {each.name: each.value for each in selector.matchers.matchers}
            if name in OF_THE_EXPORTER or name.startswith("macie_exporter"):
                continue
            if name == "macie_account_info":
                assert matched["aws_account_id"] == "A", asked.where
            elif name.startswith("macie_"):
                assert expected.items() <= matched.items(), (asked.where, name)


@boards
def test_target_counter_and_histogram_rules(board: Json) -> None:
    """Counters are seen as rates, buckets as quantiles of rates."""
    for asked in queries(board):
        for counter in re.finditer(r"macie_exporter_aws\w+|process_cpu_seconds_total", asked.expr):
            before = asked.expr[: counter.start()]
            assert before.endswith("rate("), asked.where
            if counter[0].endswith("_bucket"):
                assert re.search(r"histogram_quantile\([\d.]+, sum by \(le, .*$", before)


@boards
def test_legends_name_the_series(board: Json) -> None:
    """Series over time and numbers have a legend; one with a label has that label in its query."""
    for panel in panels(board):
        for target in panel["targets"]:
            if target["format"] == "table":
                continue
            legend = target["legendFormat"]
            assert legend, panel["title"]
            for label in re.findall(r"{{(\w+)}}", legend):
                assert label == "instance" or label in target["expr"], panel["title"]


@boards
def test_numbers_and_tables_are_of_now(board: Json) -> None:
    """Asked over time, they would show the last that was known once nothing is known any more."""
    for panel in panels(board):
        if panel["type"] in {"stat", "table", "barchart"}:
            assert all(target["instant"] for target in panel["targets"]), panel["title"]
        else:
            assert all(target["range"] for target in panel["targets"]), panel["title"]


@boards
def test_unknown_is_said_and_drawn_as_a_gap(board: Json) -> None:
    """Where there is no value a text says so; lines are not drawn across."""
    for panel in panels(board):
        defaults = panel["fieldConfig"]["defaults"]
        assert "unknown" in defaults["noValue"], panel["title"]
        if panel["type"] in {"timeseries", "state-timeline"}:
            assert defaults["custom"]["spanNulls"] is False, panel["title"]


def test_uids_and_tags_stay() -> None:
    """Links, bookmarks and provisioning hang on them."""
    assert {name: dashboard(name)["uid"] for name in NAMES} == {
        "account": "macie-account",
        "exporter": "macie-exporter",
        "invitations": "macie-invitations",
    }
    for name in NAMES:
        assert dashboard(name)["tags"] == ["macie-invitations-exporter"]
        assert "id" not in dashboard(name)
        assert "__inputs" not in dashboard(name)


def _selectors(expr: str) -> list[promql.VectorSelector]:
    return nodes(promql.parse(expr), promql.VectorSelector)
