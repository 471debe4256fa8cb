"""Write the dashboards' JSON: `python -m grafana`."""

from pathlib import Path

from grafana.boards import BOARDS, FOLDERS


def main() -> None:
    """Write every dashboard into each of the folders."""
    for folder in FOLDERS:
        folder.mkdir(exist_ok=True)
        for name, board in BOARDS.items():
            Path(folder, f"{name}.json").write_text(board.json(), encoding="utf-8")


if __name__ == "__main__":
    main()
