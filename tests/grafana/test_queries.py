"""Every query is PromQL and asks for what the exporter exposes."""

import re

import pytest

from tests.grafana.reading import NAMES, dashboard, interpolated, queries, variable_queries
from tests.promql import complaints, exposed

WITH_CLUSTER = {name: labels | {"cluster"} for name, labels in exposed().items()}
"""Prometheus' external labels, or relabelling, add it where there are several clusters."""


@pytest.mark.parametrize("name", NAMES)
def test_queries_of_panels_and_annotations_ask_for_what_there_is(name: str) -> None:
    """They parse, and name series and labels that the exporter or its scrape has."""
    found = {
        asked.where: said
        for asked in queries(dashboard(name))
        if (said := complaints(interpolated(asked.expr), also=WITH_CLUSTER))
    }
    assert found == {}


@pytest.mark.parametrize("name", NAMES)
def test_queries_of_variables_ask_for_what_there_is(name: str) -> None:
    """As well."""
    found = {
        expr: said
        for _, expr in variable_queries(dashboard(name))
        if (said := complaints(interpolated(expr), also=WITH_CLUSTER))
    }
    assert found == {}


@pytest.mark.parametrize("name", NAMES)
def test_no_query_makes_up_a_zero(name: str) -> None:
    """`vector(0)` reads 0 whatever is known."""
    made_up = re.compile(r"\b(vector|absent|absent_over_time) *\(")
    assert [x.where for x in queries(dashboard(name)) if made_up.search(x.expr)] == []


@pytest.mark.parametrize("name", NAMES)
def test_targets_are_counted_once(name: str) -> None:
    """Series of a target go through `max by` first: replicas that overlap have them twice."""
    for asked in queries(dashboard(name)):
        for metric in ("macie_invitation", "macie_untrusted", "macie_enabled", "macie_poll_"):
            for start in _positions(asked.expr, metric):
                before = asked.expr[:start]
                once = before.endswith(") (") and "max by (aws_account_id" in before[-120:]
                fleet = re.match(r"macie_\w+_series_dropped\b", asked.expr[start:])
                assert once or fleet, (asked.where, asked.expr[:start][-60:])


def _positions(text: str, word: str) -> list[int]:
    return [at for at in range(len(text)) if text.startswith(word, at)]
