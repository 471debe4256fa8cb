"""The runbooks: one for each alert, found where the alert says, and about just that.

Their commands, queries, links and names are tested with those of all documents, in tests/docs.
"""

import functools
import re
from pathlib import Path

import pytest

from tests.grafana.reading import BOARDS, interpolated, panels
from tests.promql import selectors
from tests.rules.rulefile import RECORDED, alerts

ROOT = Path(__file__).parents[2]
RUNBOOKS = ROOT / "docs" / "runbooks"
PAGES = sorted(RUNBOOKS.glob("*.md"))
ALERTS = alerts()
HOME = "https://github.com/macie-invitations-exporter/macie-invitations-exporter/blob/main/"
SECTIONS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]


def test_each_alert_has_its_runbook() -> None:
    """No alert without a runbook, no runbook without an alert."""
    assert {page.stem for page in PAGES} == {*ALERTS, "README"}


@pytest.mark.parametrize("alert", ALERTS)
def test_runbooks_are_about_their_alert(alert: str) -> None:
    """Title, summary and severity are the alert's, which leads there; all have the sections."""
    page, rule = RUNBOOKS / f"{alert}.md", ALERTS[alert]
    assert set(rule["labels"]) == {"severity"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"] == f"{HOME}{page.relative_to(ROOT)}"
    summary, severity = rule["annotations"]["summary"], rule["labels"]["severity"]
    assert severity in {"info", "warning", "critical"}
    assert "{{" not in summary
    text = page.read_text()
    assert text.startswith(f"# {alert}\n\n{summary} Severity: {severity}.\n\n## Meaning\n")
    assert re.findall(r"(?m)^## (.*)$", text) == SECTIONS
    diagnosis = text.partition("## Diagnosis")[2].partition("## Mitigation")[0]
    assert "\n```promql\n" in diagnosis
    assert "Panels: *Macie: " in diagnosis


def test_the_index_lists_all() -> None:
    """The table is that of the rules, in their order."""
    listed = re.findall(
        r"(?m)^\| \[(\w+)\]\((\w+)\.md\) \| (.*) \| (.*) \|$", (RUNBOOKS / "README.md").read_text()
    )
    assert listed == [
        (alert, alert, rule["labels"]["severity"], rule["annotations"]["summary"])
        for alert, rule in ALERTS.items()
    ]


def panels_of(alert: str) -> list[tuple[str, str]]:
    """Return the panels that a runbook says to open, each with its dashboard."""
    (line,) = re.findall(
        r"^Panels: (.*?)\.$", (RUNBOOKS / f"{alert}.md").read_text(), re.MULTILINE | re.DOTALL
    )
    parts = [re.findall(r"\*([^*]+)\*", part) for part in line.replace("\n", " ").split("; ")]
    assert all(len(part) > 1 for part in parts)
    return [(board, panel) for board, *panels in parts for panel in panels]


SEEN_BY = {
    "macie_exporter_targets": "macie_poll_success",
    "macie_poll_last_success_timestamp_seconds": "macie_poll_timestamp_seconds",
}
"""What a panel may show instead: the same targets, by account and region, and as long."""


@functools.cache
def shown() -> dict[tuple[str, str], set[str]]:
    """Return the metrics of every panel, by the titles of its dashboard and its own."""
    return {
        (board["title"], panel["title"]): {
            each.metric
            for target in panel["targets"]
            for each in selectors(interpolated(target["expr"]))
        }
        for board in BOARDS.values()
        for panel in panels(board)
    }


@pytest.mark.parametrize("alert", ALERTS)
def test_panels_show_what_the_alert_is_about(alert: str) -> None:
    """Everything that its expression asks for, the alerts themselves aside; and they exist."""
    seen = {metric for panel in panels_of(alert) for metric in shown()[panel]}
    asked = {each.metric for each in selectors(ALERTS[alert]["expr"])} - {"ALERTS", *RECORDED}
    assert {each for each in asked - seen if SEEN_BY.get(each) not in seen} == set()
