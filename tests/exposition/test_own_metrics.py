"""The exporter's own counters, as both formats write them."""

import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

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


def test_the_process_is_shown_where_it_stays() -> None:
    """The process and Python come on top then; no garbage collector."""
    own = counted()
    before = families(own)
    own.show_process()
    others = families(own) - before
    assert {"python_info", "process_resident_memory_bytes"} <= others
    assert {name.split("_")[0] for name in others - {"python_info"}} == {"process"}


def families(own: OwnMetrics) -> set[str]:
    """Return the names of the families that are shown."""
    return {family.name for family in text_string_to_metric_families(own.text().decode())}
