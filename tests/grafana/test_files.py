"""The JSON in the chart is what the code says."""

import json

import pytest

from grafana.board import Board
from grafana.boards import BOARDS, FOLDER
from grafana.published import published
from tests.grafana.reading import NAMES, dashboard, queries

_CONFIG_MAP_LIMIT = 1024 * 1024
"""Bytes: https://kubernetes.io/docs/concepts/configuration/configmap/"""


def test_files_have_not_drifted() -> None:
    """`make dashboards` would change nothing, and leaves nothing over."""
    there = {path.stem: path.read_text() for path in FOLDER.glob("*.json")}
    assert there == {name: board.json() for name, board in BOARDS.items()}


@pytest.mark.parametrize("name", NAMES)
def test_files_fit_into_config_maps(name: str) -> None:
    """With room for what the chart puts around them."""
    assert len(json.dumps(dashboard(name)).encode()) < _CONFIG_MAP_LIMIT / 4


@pytest.mark.parametrize("name", NAMES)
def test_the_code_knows_every_query(name: str) -> None:
    """So that what it says of empty results holds for what Grafana asks."""
    assert [(asked.where, asked.expr) for asked in queries(dashboard(name))] == [
        (where, query.expr) for where, query in BOARDS[name].queries()
    ]


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_reasons_for_empty_results_are_sentences(board: Board) -> None:
    """Not just a mark."""
    for where, query in board.queries():
        assert not query.may_be_empty or " " in query.may_be_empty, where


@pytest.mark.parametrize("name", NAMES)
def test_what_grafana_com_takes(name: str) -> None:
    """The dashboard itself, and what it needs: Prometheus, and each kind of panel that it has."""
    board = dashboard(name)
    shared = json.loads(published(json.dumps(board)))
    assert {key: value for key, value in shared.items() if key in board} == board
    assert {*shared} - {*board} == {"__inputs", "__elements", "__requires", "id"}
    kinds = {each["id"] for each in shared["__requires"] if each["type"] == "panel"}
    shown = {
        each["type"] for panel in board["panels"] for each in (panel, *panel.get("panels", ()))
    }
    assert kinds == shown - {"row"}
    assert {"prometheus", "grafana"} <= {each["id"] for each in shared["__requires"]}
    assert all(each["name"] and each["version"] is not None for each in shared["__requires"])
