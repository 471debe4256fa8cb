"""How dashboards look: colours that mean the same everywhere, places, thresholds, links."""

import re
from collections import defaultdict
from collections.abc import Iterator

import pytest

from exporter.model import KNOWN_STATUSES
from exporter.state import TargetState
from grafana.board import SOURCE
from grafana.looks import SEVERITIES, STATUSES, TARGET_STATES, UNKNOWN
from tests.grafana.reading import NAMES, ROOT, Json, dashboard, panels, variables

BOARDS = [pytest.param(dashboard(name), id=name) for name in NAMES]
boards = pytest.mark.parametrize("board", BOARDS)
RUNBOOK = re.compile(r".*/blob/main/docs/runbooks/(\w+)\.md")


def test_statuses_and_severities_have_colours_of_their_own() -> None:
    """Every status one, that no other status and no severity has; unknown is unknown's."""
    assert set(KNOWN_STATUSES) < set(STATUSES)
    colours = [STATUSES[status] for status in KNOWN_STATUSES]
    assert len(set(colours)) == len(colours)
    assert set(colours).isdisjoint(SEVERITIES)
    assert set(TARGET_STATES) == {state.value for state in TargetState}
    assert set(TARGET_STATES.values()) <= set(SEVERITIES)


def test_a_colour_means_the_same_everywhere() -> None:
    """A name has one colour on all panels of all dashboards."""
    found: dict[str, set[str]] = defaultdict(set)
    for name in NAMES:
        for series, colour in _colours(dashboard(name)):
            found[series].add(colour)
    assert {series: colours for series, colours in found.items() if len(colours) > 1} == {}
    assert all(found[status] == {STATUSES[status]} for status in KNOWN_STATUSES)


def _colours(board: Json) -> Iterator[tuple[str, str]]:
    """Return the fixed colours of series, and those of texts in cells."""
    for panel in panels(board):
        config = panel["fieldConfig"]
        for override in config["overrides"]:
            for each in override["properties"]:
                if each["id"] == "color":
                    yield override["matcher"]["options"], each["value"]["fixedColor"]
                if each["id"] == "mappings":
                    yield from _mapped(each["value"])
        yield from _mapped(config["defaults"].get("mappings", []))


def _mapped(mappings: list[Json]) -> Iterator[tuple[str, str]]:
    for mapping in mappings:
        if mapping["type"] == "special":
            yield mapping["options"]["match"], mapping["options"]["result"]["color"]
        else:
            for each in mapping["options"].values():
                yield each["text"], each["color"]


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
def test_thresholds_are_severities_in_order(board: Json) -> None:
    """Every panel has them; they begin at the lowest, ascend, and never mend with the value."""
    for panel in panels(board):
        config = panel["fieldConfig"]
        all_steps = [config["defaults"]["thresholds"]["steps"]] + [
            each["value"]["steps"]
            for override in config["overrides"]
            for each in override["properties"]
            if each["id"] == "thresholds"
        ]
        for steps in all_steps:
            lowest, *others = [step["value"] for step in steps]
            assert lowest is None, panel["title"]
            assert others == sorted(set(others)), panel["title"]
            assert {step["color"] for step in steps} <= set(SEVERITIES), panel["title"]


@boards
def test_panels_that_draw_by_status_have_all_its_colours(board: Json) -> None:
    """Where a series is a status."""
    for panel in panels(board):
        by_status = [
            target
            for target in panel["targets"]
            if panel["type"] in {"timeseries", "barchart"}
            and "relationship_status) (" in target["expr"].split("max by")[0]
        ]
        if by_status:
            coloured = {each["matcher"]["options"] for each in panel["fieldConfig"]["overrides"]}
            assert set(STATUSES) <= coloured, panel["title"]


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


@boards
def test_rows_leave_no_holes(board: Json) -> None:
    """Every line of the grid is full."""
    width: dict[int, int] = defaultdict(int)
    for each in board["panels"]:
        place = each["gridPos"]
        for y in range(place["y"], place["y"] + place["h"]):
            width[y] += place["w"]
    assert {y: w for y, w in width.items() if w != 24} == {}


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


def test_titles_of_narrow_panels_fit() -> None:
    """Three columns of a laptop's screen are about 160 pixels."""
    narrow = [
        each for name in NAMES for each in panels(dashboard(name)) if each["gridPos"]["w"] < 4
    ]
    assert narrow
    assert [each["title"] for each in narrow if len(each["title"]) > 16] == []


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
        elif not RUNBOOK.fullmatch(url):
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


def test_runbooks_are_there() -> None:
    """Each link to a runbook leads to one."""
    there = {path.stem for path in (ROOT / "docs" / "runbooks").glob("*.md")}
    linked = {
        found[1]
        for name in NAMES
        for url in _links(dashboard(name))
        if (found := RUNBOOK.fullmatch(url))
    }
    assert linked
    assert linked <= there


def test_runbooks_name_panels_that_there_are() -> None:
    """What each says to open: dashboards, their panels, and marks on them, by their titles."""
    boards_ = [dashboard(name) for name in NAMES]
    titles = {board["title"] for board in boards_}
    titles |= {panel["title"] for board in boards_ for panel in panels(board)}
    titles |= {each["titleFormat"] for board in boards_ for each in board["annotations"]["list"]}
    named = {
        (path.stem, " ".join(title.split()))
        for path in (ROOT / "docs" / "runbooks").glob("Macie*.md")
        for paragraph in re.findall(
            r"^Panels: (.+?)(?:\n\n|\Z)", path.read_text(), re.MULTILINE | re.DOTALL
        )
        for title in re.findall(r"\*([^*]+)\*", paragraph)
    }
    assert named
    assert {each for each in named if each[1] not in titles} == set()


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
