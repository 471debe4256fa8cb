"""The exporter's own counters, as both formats write them."""

import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.exposition.scene import Scene


def test_text_and_openmetrics() -> None:
    """Requests, errors and durations, nothing about when a counter was made.

    In OpenMetrics a counter's family has its name without the suffix.
    """
    own = Scene().own
    own.attempt("macie2", "ListInvitations", "eu-west-1", 0.25, None)
    own.attempt("macie2", "ListInvitations", "eu-west-1", 0.5, "ThrottlingException")
    text, openmetrics = (
        "".join(line for line in form.decode().splitlines(keepends=True) if "_aws_" in line)
        for form in (own.text(), own.openmetrics())
    )
    assert text == Path(__file__).with_name("attempts.txt").read_text()
    assert openmetrics == re.sub(r"(?m)^(# \w+ macie_\w+)_total", r"\1", text)
    assert own.openmetrics().endswith(b"\n# EOF\n")


def test_the_process_is_shown_where_it_stays() -> None:
    """The process and Python come on top then; no garbage collector."""
    own = Scene().own
    before = own.text()
    own.show_process()
    others = own.text().removeprefix(before)
    names = {family.name for family in text_string_to_metric_families(others.decode())}
    assert {"python_info", "process_resident_memory_bytes"} <= names
    assert {name.split("_")[0] for name in names - {"python_info"}} == {"process"}
