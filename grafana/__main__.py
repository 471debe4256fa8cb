"""Write the dashboards' JSON: `python -m grafana`; as grafana.com takes it: `… FOLDER`."""

import sys
from pathlib import Path

from grafana.boards import BOARDS, FOLDER, published, written


def main(folder: str = "") -> None:
    """Write every dashboard, into a folder in the form that grafana.com takes."""
    place = Path(folder or FOLDER)
    place.mkdir(parents=True, exist_ok=True)
    for name, board in BOARDS.items():
        shown = published(board) if folder else board
        (place / f"{name}.json").write_text(written(shown), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
