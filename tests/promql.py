"""PromQL against what the exporter exposes: does a query parse, and do its names exist.

The parser knows PromQL up to Prometheus 2.45. Grafana's variables are no PromQL: put values in
their places first.
"""

import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import promql_parser as promql
from prometheus_client.parser import text_string_to_metric_families

from exporter.exposition.families import METRICS
from tests.exposition.scene import Scene

_Node = TypeVar("_Node", bound=promql.Expr)

Exposed = Mapping[str, frozenset[str]]
"""Names of series, each with the names of its labels."""

OF_A_SCRAPE = frozenset({"instance", "job"})
"""The labels that Prometheus adds to all that it scrapes."""

OF_PROMETHEUS: Exposed = {
    "ALERTS": frozenset({"alertname", "alertstate", "severity"}),
    "up": frozenset(),
    "scrape_duration_seconds": frozenset(),
    "scrape_samples_post_metric_relabeling": frozenset(),
    "scrape_samples_scraped": frozenset(),
    "scrape_series_added": frozenset(),
}
"""What Prometheus itself records. An alert's series has the alert's labels besides."""


@dataclass(frozen=True, slots=True)
class Selector:
    """The series that a query asks for: their name, and the labels that it matches."""

    metric: str
    labels: frozenset[str]


def selectors(query: str) -> tuple[Selector, ...]:
    """List what a query asks for, in its order; raises ValueError for what is no PromQL."""
    return tuple(_selector(node) for node in nodes(promql.parse(query), promql.VectorSelector))


def complaints(query: str, also: Exposed | None = None) -> list[str]:
    """Say what is wrong with a query: it does not parse, or names what nobody exposes.

    `also` are series that recording rules make, with their labels.
    """
    try:
        tree = promql.parse(query)
    except ValueError as error:
        return [f"does not parse: {error}"]
    known = {**exposed(), **(also or {})}
    return [*_unknown_series(tree, known), *_unknown_groupings(tree, known)]


@functools.cache
def exposed() -> Exposed:
    """Return the series of the exporter and of its scrape, made from the metric table."""
    series = {
        name: family.labels if not name.endswith("_bucket") else (*family.labels, "le")
        for family in METRICS
        for name in _series_of(family.name, family.kind)
    }
    own = Scene().own
    own.show_process()
    of_process = {
        sample.name: tuple(sample.labels)
        for family in text_string_to_metric_families(own.text().decode())
        for sample in family.samples
    }
    names = {name: frozenset(labels) for name, labels in {**of_process, **series}.items()}
    return {name: labels | OF_A_SCRAPE for name, labels in {**names, **OF_PROMETHEUS}.items()}


def _series_of(name: str, kind: str) -> tuple[str, ...]:
    if kind == "histogram":
        return tuple(f"{name}_{part}" for part in ("bucket", "sum", "count"))
    return (name,)


def _unknown_series(tree: promql.Expr, known: Exposed) -> Iterator[str]:
    for asked in map(_selector, nodes(tree, promql.VectorSelector)):
        if asked.metric not in known:
            yield f"no such series: {asked.metric or 'one without a name'}"
        else:
            for label in sorted(asked.labels - _labels(asked.metric, known)):
                yield f"{asked.metric} has no label {label}"


def _unknown_groupings(tree: promql.Expr, known: Exposed) -> Iterator[str]:
    for aggregation in nodes(tree, promql.AggregateExpr):
        if aggregation.modifier is not None:
            yield from _foreign(aggregation.modifier.labels, aggregation, known)
    for operation in nodes(tree, promql.BinaryExpr):
        if operation.modifier is not None:
            matching, carried = operation.modifier.matching, operation.modifier.group_labels
            labels = [*(matching.labels if matching else ()), *(carried or ())]
            yield from _foreign(labels, operation, known)


def _foreign(labels: Iterable[str], node: promql.Expr, known: Exposed) -> Iterator[str]:
    """Say which labels nothing below a node has, or makes."""
    there = _made(node).union(
        *(_labels(_selector(each).metric, known) for each in nodes(node, promql.VectorSelector))
    )
    for label in sorted(set(labels) - there):
        yield f"nothing that is grouped or matched by {label} has it"


def _labels(metric: str, known: Exposed) -> frozenset[str]:
    if metric == "ALERTS":
        return frozenset().union(*known.values())
    return known.get(metric, frozenset())


def _made(node: promql.Expr) -> frozenset[str]:
    """Return the labels that functions below a node make."""
    makers = ("label_replace", "label_join")
    calls = [call for call in nodes(node, promql.Call) if call.func.name in makers]
    counts = [each for each in nodes(node, promql.AggregateExpr) if str(each.op) == "count_values"]
    texts = [*(call.args[1] for call in calls), *(each.param for each in counts)]
    return frozenset(text.val for text in texts if isinstance(text, promql.StringLiteral))


def _selector(node: promql.VectorSelector) -> Selector:
    matchers = [*node.matchers.matchers, *(m for some in node.matchers.or_matchers for m in some)]
    names = [matcher.value for matcher in matchers if matcher.name == "__name__"]
    labels = frozenset(matcher.name for matcher in matchers) - {"__name__"}
    return Selector(node.name or "|".join(names), labels)


def nodes(tree: promql.Expr, kind: type[_Node]) -> list[_Node]:
    """Return the parts of one kind."""
    found: list[_Node] = []

    def note(node: promql.Expr) -> None:
        if isinstance(node, kind):
            found.append(node)

    promql.walk(tree, note)
    return found
