"""The runbooks: one for each alert, found where the alert says, and about just that.

Their commands, links and names are tested with those of all documents, in tests/docs; here is what
queries of the documents find.
"""

import re
from pathlib import Path

import pytest
import yaml

from tests.docs.documents import DOCS, REPOSITORY, blocks
from tests.grafana.reading import BOARDS, interpolated, panels
from tests.promql import selectors
from tests.rules.rulefile import HERE, RECORDED, Trial, alerts, failures

RUNBOOKS = DOCS / "runbooks"
ALERTS = alerts()
SECTIONS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]


@pytest.mark.parametrize("alert", ALERTS)
def test_runbooks_are_about_their_alert(alert: str) -> None:
    """Title, summary and severity are the alert's, which leads there; all have the sections."""
    rule, text = ALERTS[alert], (RUNBOOKS / f"{alert}.md").read_text()
    assert set(rule["labels"]) == {"severity"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"] == f"{REPOSITORY}/blob/main/docs/runbooks/{alert}.md"
    summary, severity = rule["annotations"]["summary"], rule["labels"]["severity"]
    assert severity in {"info", "warning", "critical"}
    assert "{{" not in summary
    assert text.startswith(f"# {alert}\n\n{summary} Severity: {severity}.\n\n## Meaning\n")
    assert re.findall(r"(?m)^## (.*)$", text) == SECTIONS
    diagnosis = text.partition("## Diagnosis")[2].partition("## Mitigation")[0]
    assert "\n```promql\n" in diagnosis
    assert "Panels: *Macie: " in diagnosis


def test_the_index_lists_all() -> None:
    """The table is that of the rules, in their order; no runbook is without its alert."""
    assert {page.stem for page in RUNBOOKS.glob("*.md")} == {*ALERTS, "README"}
    listed = re.findall(
        r"(?m)^\| \[(\w+)\]\((\w+)\.md\) \| (.*) \| (.*) \|$", (RUNBOOKS / "README.md").read_text()
    )
    assert listed == [
        (alert, alert, rule["labels"]["severity"], rule["annotations"]["summary"])
        for alert, rule in ALERTS.items()
    ]


SEEN_BY = {
    "macie_exporter_targets": "macie_poll_success",
    "macie_poll_last_success_timestamp_seconds": "macie_poll_timestamp_seconds",
}
"""What a panel may show instead: the same targets, by account and region, and as long."""


SHOWN = {
    (board["title"], panel["title"]): {
        each.metric
        for target in panel["targets"]
        for each in selectors(interpolated(target["expr"]))
    }
    for board in BOARDS.values()
    for panel in panels(board)
}
"""The metrics of every panel, by the titles of its dashboard and its own."""


@pytest.mark.parametrize("alert", ALERTS)
def test_panels_show_what_the_alert_is_about(alert: str) -> None:
    """Everything that its expression asks for, the alerts themselves aside; and they exist."""
    text = (RUNBOOKS / f"{alert}.md").read_text()
    (line,) = re.findall(r"(?ms)^Panels: (.*?)\.$", text)
    parts = [re.findall(r"\*([^*]+)\*", part) for part in line.replace("\n", " ").split("; ")]
    assert all(len(part) > 1 for part in parts)
    opened = [SHOWN[board, panel] for board, *named in parts for panel in named]
    seen = set[str]().union(*opened)
    asked = {each.metric for each in selectors(ALERTS[alert]["expr"])} - {"ALERTS", *RECORDED}
    assert {each for each in asked - seen if SEEN_BY.get(each) not in seen} == set()


QUERIES = yaml.safe_load((HERE / "queries" / "documented.yaml").read_text())


def test_documented_queries_find_what_they_say(promtool: Path, tmp_path: Path) -> None:
    """As pasted from the page, on data where a wrong one would show."""
    trials = {}
    for what, each in QUERIES.items():
        page, shown = DOCS / each["page"], blocks("promql")
        (expr,) = [
            x.text for x in shown if x.document == page and x.text.startswith(each["begins"])
        ]
        asked = {"expr": expr, "eval_time": "0m", "exp_samples": each["finds"]}
        case = {"interval": "1m", "input_series": each["series"], "promql_expr_test": [asked]}
        trials[what] = Trial([], [case])
    assert failures(promtool, tmp_path, trials) == {}
