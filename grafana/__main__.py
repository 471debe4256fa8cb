"""Write the dashboards' JSON: `python -m grafana`."""

from grafana.boards import BOARDS, FOLDER


def main() -> None:
    """Write every dashboard."""
    for name, board in BOARDS.items():
        (FOLDER / f"{name}.json").write_text(board.json(), encoding="utf-8")


if __name__ == "__main__":
    main()
