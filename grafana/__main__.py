"""Write the dashboards' JSON into the chart: `python -m grafana`."""

from grafana.boards import BOARDS, FOLDER

if __name__ == "__main__":
    for name, board in BOARDS.items():
        (FOLDER / f"{name}.json").write_text(board.json(), encoding="utf-8")
