"""The dashboards' JSON, as their tests read it: what Grafana would do with it, without Grafana."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from grafana.boards import FOLDER

Json = Mapping[str, Any]

BOARDS: Mapping[str, Json] = {
    path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))
}

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


def panels(board: Json) -> list[Json]:
    """Return the panels, without the rows' headings."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def panel(name: str, title: str) -> Json:
    """Return the one panel of a dashboard with a title."""
    (found,) = [each for each in panels(BOARDS[name]) if each["title"] == title]
    return found


@dataclass(frozen=True, slots=True)
class Asked:
    """A query, where it stands, and whether it is as of now."""

    where: str
    expr: str
    now: bool


def queries(board: Json) -> Iterator[Asked]:
    """Return the queries of panels, with their letters, and of annotations."""
    for each in panels(board):
        for target in each["targets"]:
            yield Asked(f"{each['title']}: {target['refId']}", target["expr"], target["instant"])
    for each in board["annotations"]["list"]:
        yield Asked(each["name"], each["expr"], now=False)


def questions() -> Mapping[str, str]:
    """Return the queries of the four questions by their legends, where all is chosen."""
    (row,) = [x for x in BOARDS["invitations"]["panels"] if x["title"] == "The four questions"]
    below = row["gridPos"]["y"] + 1
    return {
        target["legendFormat"]: interpolated(target["expr"])
        for each in panels(BOARDS["invitations"])
        if each["gridPos"]["y"] == below
        for target in each["targets"]
    }


def variables(board: Json) -> dict[str, Json]:
    """Return the variables by name."""
    return {each["name"]: each for each in board["templating"]["list"]}


def interpolated(expr: str, **choices: str) -> str:
    """Put choices in the variables' places; raises KeyError for a variable that there is not."""
    return _VARIABLE.sub(lambda found: {**CHOICES, **choices}[found[1]], expr)


def asked_by(variable: Json) -> tuple[str, str]:
    """Return the PromQL of a variable, and the label whose values it offers, if just one."""
    query = variable["query"]
    found = re.fullmatch(r"label_values\((.+), (\w+)\)|query_result\((.+)\)", query)
    assert found, query
    return found[1] or found[3], found[2] or ""
