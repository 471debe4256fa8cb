"""How dashboards look: what is unknown, places, links."""

import re
from collections.abc import Iterator

import pytest

from grafana.board import SOURCE
from grafana.looks import UNKNOWN
from tests.grafana.reading import NAMES, ROOT, Json, dashboard, panels, variables

BOARDS = [pytest.param(dashboard(name), id=name) for name in NAMES]
boards = pytest.mark.parametrize("board", BOARDS)


@boards
def test_no_value_is_drawn_as_unknown(board: Json) -> None:
    """Else a number without a value stands on the lowest threshold's colour: green, often."""
    for panel in panels(board):
        config = panel["fieldConfig"]
        if panel["type"] == "stat":
            (nothing,) = _specials(config["defaults"]["mappings"])
            assert nothing["result"]["text"] == config["defaults"]["noValue"], panel["title"]
            assert nothing["result"]["color"] == UNKNOWN, panel["title"]
        for override in config["overrides"]:
            properties = {each["id"]: each["value"] for each in override["properties"]}
            if panel["type"] == "stat":
                assert "mappings" not in properties, panel["title"]
            elif "thresholds" in properties:
                (nothing,) = _specials(properties["mappings"])
                assert nothing["result"]["color"] == UNKNOWN, panel["title"]


def _specials(mappings: list[Json]) -> list[Json]:
    found = [mapping["options"] for mapping in mappings if mapping["type"] == "special"]
    assert [each["match"] for each in found] == ["null+nan"]
    return found


@boards
def test_empty_cells_of_tables_say_that_they_are_unknown(board: Json) -> None:
    """Not that there are no rows, which is the text of the table; some columns say otherwise."""
    for panel in panels(board):
        if panel["type"] == "table":
            first, *others = panel["fieldConfig"]["overrides"]
            assert first["matcher"] == {"id": "byRegexp", "options": "/.*/"}
            assert first["properties"] == [{"id": "noValue", "value": "unknown"}]
            differ = {
                each["matcher"]["options"]
                for each in others
                if any(one["id"] == "noValue" for one in each["properties"])
            }
            known = {"Name", "Error", "Administrator", "Age of the last answer"}
            assert differ <= known, panel["title"]


@boards
def test_panels_have_numbers_and_places_of_their_own(board: Json) -> None:
    """On the grid, and not one above the other."""
    numbers = [each["id"] for each in board["panels"]]
    assert len(set(numbers)) == len(numbers)
    taken: dict[tuple[int, int], str] = {}
    for each in board["panels"]:
        place = each["gridPos"]
        assert place["x"] + place["w"] <= 24, each["title"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert taken.setdefault((x, y), each["title"]) == each["title"]


def test_the_first_rows_say_who_and_answer_the_four_questions() -> None:
    """On one screen's width, below who is not trusted, which comes before anything else."""
    rows = [each for each in dashboard("invitations")["panels"] if each["type"] == "row"]
    strangers, questions = (
        [
            each
            for each in panels(dashboard("invitations"))
            if each["gridPos"]["y"] == row["gridPos"]["y"] + 1
        ]
        for row in rows[:2]
    )
    assert [each["title"] for each in strangers] == [
        "Unknown inviters and administrators",
        "Is it told who may invite?",
    ]
    assert [each["title"] for each in questions] == [
        "Is someone unknown our administrator, or asking?",
        "Who has not answered?",
        "Where have we lost coverage?",
        "Can I believe these numbers?",
    ]
    assert {each["type"] for each in questions} == {"stat"}


def _links(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if "url" in node:
            yield node["url"]
        for each in node.values():
            yield from _links(each)
    elif isinstance(node, list):
        for each in node:
            yield from _links(each)


@boards
def test_links_lead_somewhere(board: Json) -> None:
    """To a dashboard of these with variables that it has, a runbook, or another document."""
    known = {dashboard(name)["uid"]: dashboard(name) for name in NAMES}
    for url in _links(board):
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


def test_every_dashboard_leads_to_the_others() -> None:
    """In its head."""
    uids = {dashboard(name)["uid"] for name in NAMES}
    for name in NAMES:
        urls = [link["url"] for link in dashboard(name)["links"]]
        led = {url.split("/")[2] for url in urls if url.startswith("/d/")}
        assert led == uids - {dashboard(name)["uid"]}


def test_accounts_in_tables_lead_to_the_account() -> None:
    """Each column of account ids is text that links to the Account dashboard."""
    for name in ("invitations", "exporter"):
        for panel in panels(dashboard(name)):
            renamed = [each["options"].get("renameByName", {}) for each in panel["transformations"]]
            if any("aws_account_id" in names for names in renamed):
                (column,) = [
                    {each["id"]: each["value"] for each in override["properties"]}
                    for override in panel["fieldConfig"]["overrides"]
                    if override["matcher"]["options"] == "Account"
                ]
                assert column["unit"] == "string"
                assert "/d/macie-account/" in column["links"][0]["url"], panel["title"]


def test_age_buckets_stand_in_their_order() -> None:
    """Where there are bars; over time Prometheus sorts them (tests/grafana/test_data.py)."""
    (bars,) = [each for each in panels(dashboard("invitations")) if each["title"] == "By age"]
    first, *_ = bars["transformations"]
    assert first == {"id": "sortBy", "options": {"sort": [{"field": "age_bucket", "desc": False}]}}
