"""The dashboards' JSON, as their tests read it: what Grafana would do with it, without Grafana."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grafana.boards import FOLDER

ROOT = Path(__file__).parents[2]
FILES = sorted(FOLDER.glob("*.json"))
NAMES = [path.stem for path in FILES]

Json = Mapping[str, Any]

CHOICES: Mapping[str, str] = {
    "cluster": ".*",
    "job": ".+",
    "instance": ".+",
    "account": ".+",
    "region": ".+",
    "status": ".+",
    "__rate_interval": "10s",
}
"""What Grafana puts in the variables' places where all is chosen."""

_VARIABLE = re.compile(r"\$\{?([a-z_]\w*)\}?")


def dashboard(name: str) -> Json:
    """Read a dashboard."""
    read: Json = json.loads((FOLDER / f"{name}.json").read_text())
    return read


def panels(board: Json) -> list[Json]:
    """Return the panels, without the rows' headings."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


@dataclass(frozen=True, slots=True)
class Asked:
    """A query, and where it stands."""

    where: str
    expr: str
    target: Json


def queries(board: Json) -> Iterator[Asked]:
    """Return the queries of panels and annotations."""
    for panel in panels(board):
        for target in panel["targets"]:
            yield Asked(panel["title"], target["expr"], target)
    for each in board["annotations"]["list"]:
        yield Asked(each["name"], each["expr"], each)


def variables(board: Json) -> dict[str, Json]:
    """Return the variables by name."""
    return {each["name"]: each for each in board["templating"]["list"]}


def interpolated(expr: str, **choices: str) -> str:
    """Put choices in the variables' places; raises KeyError for a variable that there is not."""
    return _VARIABLE.sub(lambda found: {**CHOICES, **choices}[found[1]], expr)


def variable_queries(board: Json) -> Iterator[tuple[str, str]]:
    """Return the PromQL of every variable, with its function: label_values or query_result."""
    for each in variables(board).values():
        if each["type"] == "query":
            found = re.fullmatch(r"(label_values|query_result)\((.+?)(, \w+)?\)", each["query"])
            assert found, each["query"]
            yield found[1], found[2]
