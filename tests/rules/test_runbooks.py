"""The runbooks: one for each alert, found where the alert says, and true in what can be checked."""

import json
import re
import shlex
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import botocore.session
import pytest
from botocore import xform_name

from exporter.commands.descriptions import COMMANDS
from exporter.settings.keys import KEYS
from exporter.web.query import parse
from grafana.boards import BOARDS, FOLDER
from tests.grafana.reading import interpolated
from tests.promql import complaints, selectors
from tests.rules.rulefile import RECORDED, alerts

ROOT = Path(__file__).parents[2]
RUNBOOKS = ROOT / "docs" / "runbooks"
PAGES = sorted(RUNBOOKS.glob("*.md"))
INDEX = RUNBOOKS / "README.md"
ALERTS = alerts()
HOME = "https://github.com/macie-invitations-exporter/macie-invitations-exporter/blob/main/"
EXPORTER = "macie-invitations-exporter"
SETTINGS = {".".join(key).replace("_", "-") for key in KEYS}
SECTIONS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]


def blocks(text: str, language: str) -> list[str]:
    """Return the code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def words_of_commands(text: str) -> list[list[str]]:
    """Return the words of every command of the exporter's in a page, without its own name."""
    lines = [line for block in blocks(text, "sh") for line in block.splitlines()]
    mark = f" -- {EXPORTER} "
    return [shlex.split(line.partition(mark)[2]) for line in lines if mark in line]


def test_each_alert_has_its_runbook() -> None:
    """No alert without a runbook, no runbook without an alert."""
    assert {page.stem for page in PAGES} == {*ALERTS, "README"}


@pytest.mark.parametrize("alert", ALERTS)
def test_alerts_say_where_their_runbook_is(alert: str) -> None:
    """The address is the page's own."""
    url = ALERTS[alert]["annotations"]["runbook_url"]
    assert url == f"{HOME}{(RUNBOOKS / f'{alert}.md').relative_to(ROOT)}"


@pytest.mark.parametrize("alert", ALERTS)
def test_runbooks_are_about_their_alert(alert: str) -> None:
    """Title, summary and severity are the alert's; the sections are the same in all."""
    text = (RUNBOOKS / f"{alert}.md").read_text()
    rule = ALERTS[alert]
    severity = rule["labels"]["severity"]
    opening = f"# {alert}\n\n{rule['annotations']['summary']} Severity: {severity}.\n\n## Meaning\n"
    assert text.startswith(opening)
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == SECTIONS
    diagnosis = text.partition("## Diagnosis")[2].partition("## Mitigation")[0]
    assert blocks(diagnosis, "promql")
    assert "Panels: *Macie: " in diagnosis


def test_the_index_lists_all() -> None:
    """The table is that of the rules, in their order."""
    rows = [
        f"| [{alert}]({alert}.md) | {labels['severity']} | {annotations['summary']} |"
        for alert, labels, annotations in (
            (alert, rule["labels"], rule["annotations"]) for alert, rule in ALERTS.items()
        )
    ]
    listed = [line for line in INDEX.read_text().splitlines() if line.startswith("| [")]
    assert listed == rows


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    """Relative links are files."""
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text())
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_queries_are_of_what_there_is(page: Path) -> None:
    """What is to be pasted into Prometheus parses and names series and labels that exist."""
    queries = blocks(page.read_text(), "promql")
    assert [each for query in queries for each in complaints(query, RECORDED)] == []


def test_commands_of_the_exporter_exist() -> None:
    """Commands, their options and the settings among their flags are the exporter's own."""
    found = [words for page in PAGES for words in words_of_commands(page.read_text())]
    assert len(found) > 5
    for command, *flags in found:
        names = {flag.removeprefix("--").partition("=")[0] for flag in flags}
        assert names <= {*COMMANDS[command].options, *SETTINGS}


def test_panels_exist() -> None:
    """Dashboards and panels are named as they are titled."""
    boards = [json.loads(path.read_text()) for path in FOLDER.glob("*.json")]
    titles = {
        board["title"]: {
            panel["title"] for row in board["panels"] for panel in (row, *row.get("panels", []))
        }
        for board in boards
    }
    for alert in ALERTS:
        named = panels_of(alert)
        assert named
        assert [(board, panel) for board, panel in named if panel not in titles[board]] == [], alert


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


@pytest.mark.parametrize("alert", ALERTS)
def test_panels_show_what_the_alert_is_about(alert: str) -> None:
    """Everything that its expression asks for, the alerts themselves aside."""
    shown = {
        (board.title, panel.title): {
            each.metric for query in panel.queries for each in selectors(interpolated(query.expr))
        }
        for board in BOARDS.values()
        for panel in board.panels
    }
    seen = {metric for panel in panels_of(alert) for metric in shown[panel]}
    asked = {each.metric for each in selectors(ALERTS[alert]["expr"])} - {"ALERTS", *RECORDED}
    assert {each for each in asked - seen if SEEN_BY.get(each) not in seen} == set()


def test_pages_of_the_exporter_are_asked_rightly() -> None:
    """Paths are the exporter's own, and parameters are such as it takes."""
    text = "".join(page.read_text() for page in PAGES)
    found = [urlsplit(url) for url in re.findall(r"http://localhost:10058[^'\s]*", text)]
    assert any(url.query for url in found)
    for url in found:
        assert f"{url.path}`" in (ROOT / "docs" / "http.md").read_text()
        parse(parse_qsl(url.query, strict_parsing=bool(url.query)))


def test_commands_of_aws_exist() -> None:
    """Services, operations and their options are those of AWS's own models."""
    session = botocore.session.get_session()
    text = "".join(page.read_text() for page in PAGES)
    found = [
        shlex.split(line) for line in re.findall(r"^aws .*$|(?<=`)aws [^`]*", text, re.MULTILINE)
    ]
    assert len(found) > 9
    for _, service, command, *words in found:
        model = session.get_service_model(service)
        operations = {xform_name(name, "-"): name for name in model.operation_names}
        shape = model.operation_model(operations[command]).input_shape
        options = {xform_name(name, "-") for name in shape.members} if shape else set()
        named = {word.removeprefix("--") for word in words if word.startswith("--")}
        assert named <= options | {"region", "query", "max-items"}, command


def test_events_exist() -> None:
    """Events of the log that are named are logged."""
    sources = "".join(path.read_text() for path in ROOT.glob("exporter/**/*.py"))
    named = re.findall(r"event=(\w+)", "".join(page.read_text() for page in PAGES))
    assert named
    assert [event for event in named if f'"{event}' not in sources] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_names_of_metrics_exist(page: Path) -> None:
    """Metrics that are named outside of queries exist as well."""
    named = re.findall(r"`(macie_\w+)`", page.read_text())
    assert [each for name in named for each in complaints(name)] == []
