"""The exporter's own counters, as both formats write them."""

import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from exporter.exposition.own_metrics import OwnMetrics
from tests.exposition.scene import Scene


def counted() -> OwnMetrics:
    """Make metrics that have counted two requests, one of which failed."""
    own = Scene().own
    own.attempt("macie2", "ListInvitations", "eu-west-1", 0.25, None)
    own.attempt("macie2", "ListInvitations", "eu-west-1", 0.5, "ThrottlingException")
    return own


def of_aws(text: bytes) -> str:
    """Pick the lines about requests to AWS."""
    lines = text.decode().splitlines(keepends=True)
    return "".join(line for line in lines if "macie_exporter_aws" in line)


TEXT = Path(__file__).with_name("attempts.txt").read_text()


def test_text_and_openmetrics() -> None:
    """Requests, errors and durations, nothing about when a counter was made.

    In OpenMetrics a counter's family has its name without the suffix.
    """
    own = counted()
    assert of_aws(own.text()) == TEXT
    openmetrics = own.openmetrics()
    assert openmetrics.endswith(b"\n# EOF\n")
    without = re.sub(r"(?m)^(# \w+ macie_\w+)_total", r"\1", TEXT)
    assert of_aws(openmetrics) == without


def read(form: str, *, process: bool = False) -> Iterable[Metric]:
    """Read one of the formats with the client library's strict parser."""
    own = counted()
    if process:
        own.show_process()
    if form == "text":
        return read_text(own.text().decode())
    families: Iterable[Metric] = read_openmetrics(own.openmetrics().decode())  # type: ignore[no-untyped-call]
    return families


@pytest.mark.parametrize("form", ["text", "openmetrics"])
def test_the_process_is_shown_where_it_stays(form: str) -> None:
    """The process and Python come on top then; no garbage collector."""
    before = {family.name for family in read(form)}
    others = {family.name for family in read(form, process=True)} - before
    assert "python_info" in others
    assert "process_resident_memory_bytes" in others
    assert {name.split("_")[0] for name in others - {"python_info"}} == {"process"}
