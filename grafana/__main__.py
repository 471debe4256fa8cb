"""Write the dashboards' JSON: `python -m grafana`; as grafana.com takes it: `… FOLDER`."""

import sys
from pathlib import Path

from grafana.boards import BOARDS, FOLDER
from grafana.published import published


def main(folder: str = "") -> None:
    """Write every dashboard, into a folder in the form that grafana.com takes."""
    place = Path(folder or FOLDER)
    place.mkdir(parents=True, exist_ok=True)
    for name, board in BOARDS.items():
        text = published(board.json()) if folder else board.json()
        (place / f"{name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
