"""The JSON in the chart is what the code says, and stays what links and bookmarks hang on."""

import pytest

from grafana.boards import BOARDS as MADE
from grafana.boards import FOLDER, published, written
from tests.grafana.reading import BOARDS, NAMES


def test_files_have_not_drifted() -> None:
    """`make dashboards` would change nothing, and leaves nothing over."""
    there = {path.stem: path.read_text() for path in FOLDER.glob("*.json")}
    assert there == {name: written(board) for name, board in MADE.items()}


def test_uids_stay() -> None:
    """Links, bookmarks and provisioning hang on them; an id would be of one Grafana alone."""
    assert {name: board["uid"] for name, board in BOARDS.items()} == {
        "account": "macie-account",
        "exporter": "macie-exporter",
        "invitations": "macie-invitations",
    }
    assert not any({"id", "__inputs"} & board.keys() for board in BOARDS.values())


@pytest.mark.parametrize("name", NAMES)
def test_what_grafana_com_takes(name: str) -> None:
    """The dashboard itself, and what it needs: Prometheus, and each kind of panel that it has."""
    board = BOARDS[name]
    shared = published(board)
    assert {key: value for key, value in shared.items() if key in board} == board
    assert {*shared} - {*board} == {"__inputs", "__elements", "__requires", "id"}
    needed = {each["id"] for each in shared["__requires"]}
    kinds = {each["type"] for each in board["panels"]} - {"row"}
    assert needed == kinds | {"prometheus", "grafana"}
