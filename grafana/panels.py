"""Panels as the JSON that Grafana reads: their kinds, and what several of them have in common."""

from collections.abc import Mapping, Sequence
from functools import partial
from string import ascii_uppercase
from typing import Any

from grafana.board import DATASOURCE, DOCS, WIDTH, Json, board_url, link
from grafana.looks import PLAIN, STATUSES, UNKNOWN, Meanings, Steps


def panel(  # noqa: PLR0913 -- all that makes one panel unlike another
    kind: str,
    options: Json,
    custom: Json | None,
    title: str,
    description: str,
    *queries: Json,
    unit: str = "short",
    unknown: str = "unknown",
    steps: Steps = PLAIN,
    meanings: Meanings | None = None,
    least: float | None = 0,
    overrides: Sequence[Json] = (),
    transformations: Sequence[Json] = (),
    runbooks: Sequence[str] = (),
    points: int | None = None,
    width: int = 12,
    height: int = 8,
) -> Json:
    """Return a panel of one of Grafana's kinds: what it asks, what it shows, and how.

    `unknown` stands where there is no value, `runbooks` are those of alerts. There are at most
    `points` of a series; Grafana's default is one a pixel.
    """
    targets = zip(queries, ascii_uppercase, strict=False)
    meant = mappings(meanings, unknown if kind == "stat" else "")
    by_name = kind in {"timeseries", "barchart"}
    # A table's text for no rows is not that of an empty cell.
    blanks = (override("byRegexp", "/.*/", noValue="unknown"),) if kind == "table" else ()
    return {
        "type": kind,
        "id": 0,
        "targets": [{**query, "refId": letter} for query, letter in targets],
        "title": title,
        "description": " ".join(description.split()),
        "transparent": False,
        "datasource": DATASOURCE,
        "gridPos": {"h": height, "w": width},
        "links": [link(f"Runbook: {x}", f"{DOCS}/runbooks/{x}.md", icon="") for x in runbooks],
        "repeatDirection": "h",
        **({"maxDataPoints": points} if points else {}),
        "transformations": transformations,
        "options": options,
        "fieldConfig": {
            "defaults": {
                "unit": unit,
                **({} if least is None else {"min": least}),
                **({"mappings": meant} if meant else {}),
                **thresholds(steps),
                "color": {"mode": "palette-classic-by-name" if by_name else "thresholds"},
                "noValue": unknown,
                **({} if custom is None else {"custom": custom}),
            },
            "overrides": [*blanks, *overrides],
        },
    }


def wide(made: Json) -> Json:
    """Return a panel over the whole width."""
    return {**made, "gridPos": {**made["gridPos"], "w": WIDTH}}


def override(by: str, option: str, **properties: object) -> Json:
    """Set something for the fields that Grafana's matcher `by` finds with an option."""
    values = [{"id": name, "value": value} for name, value in properties.items()]
    return {"matcher": {"id": by, "options": option}, "properties": values}


def mappings(meanings: Meanings | None, unknown: str) -> Sequence[Json]:
    """Return what values mean, and what none does where a text for it is given.

    Without that text no value stands on the colour of the lowest threshold.
    """
    options = {
        str(value): {"text": text, "color": colour, "index": index}
        for index, (value, (text, colour)) in enumerate((meanings or {}).items())
    }
    result = {"text": unknown, "color": UNKNOWN, "index": 0}
    nothing = {"match": "null+nan", "result": result}
    return [
        *([{"type": "value", "options": options}] if options else ()),
        *([{"type": "special", "options": nothing}] if unknown else ()),
    ]


def thresholds(steps: Steps) -> dict[str, object]:
    """Return the property of fields that says which colour begins at which value."""
    colours = [{"value": value, "color": colour} for value, colour in steps]
    return {"thresholds": {"mode": "absolute", "steps": colours}}


_SHOWN = {
    "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
    "tooltip": {"mode": "multi", "sort": "desc"},
}


def _lines(width: int, opacity: int, **more: Json) -> Json:
    """Return how lines are drawn; where nothing is known there is a gap."""
    line = {"lineWidth": width, "fillOpacity": opacity, "showPoints": "auto"}
    return {**line, **more, "spanNulls": False}


_DASHED = {"thresholdsStyle": {"mode": "dashed"}}
trend = partial(panel, "timeseries", _SHOWN, _lines(2, 10))
limited_trend = partial(panel, "timeseries", _SHOWN, {**_DASHED, **_lines(2, 10)})
"""With the thresholds as dashes."""
stacked_trend = partial(panel, "timeseries", _SHOWN, _lines(1, 60, stacking={"mode": "normal"}))
"""Areas on top of each other, which add up to something."""

_NUMBER = {
    "graphMode": "none",
    "colorMode": "background",
    "justifyMode": "auto",
    "textMode": "value_and_name",
    "wideLayout": True,
    "showPercentChange": False,
    "reduceOptions": {"calcs": ["lastNotNull"]},
    "percentChangeColorMode": "standard",
    "orientation": "horizontal",
}
number = partial(panel, "stat", _NUMBER, None)
"""The last value of each query, large, on its colour."""

_BARS = {
    "orientation": "horizontal",
    "xTickLabelRotation": 0,
    "xTickLabelMaxLength": 0,
    "stacking": "normal",
    "showValue": "never",
    "barWidth": 0.97,
    "groupWidth": 0.7,
    **_SHOWN,
    "fullHighlight": False,
    "barRadius": 0,
    "xTickLabelSpacing": 0,
}
_FILLED = {"lineWidth": 1, "fillOpacity": 80, "gradientMode": "none"}
bars = partial(panel, "barchart", _BARS, _FILLED)
"""A stacked bar for each row of a table."""

_BLUES = {"scheme": "Blues", "fill": "", "exponent": 0, "steps": 64, "reverse": False}
_AGES = {
    "color": {**_BLUES, "mode": "scheme"},
    "showValue": "auto",
    "yAxis": {"unit": "string"},
    "legend": {"show": True},
    "tooltip": {"mode": "single"},
    "exemplars": {"color": "rgba(255,0,255,0.7)"},
    "calculate": False,
    "filterValues": {"le": 1e-09},
    "rowsFrame": {"value": "invitations"},
    "cellGap": 1,
    "cellValues": {"unit": "short", "decimals": 0},
    "selectionMode": "x",
}
ages = partial(panel, "heatmap", _AGES, {})
"""How many invitations are how old, a row for each age bucket as the query gives it."""

_STATES = {
    "showValue": "never",
    "rowHeight": 0.8,
    **_SHOWN,
    "mergeValues": True,
    "alignValue": "left",
    "perPage": 20,
}
states = partial(
    panel, "state-timeline", _STATES, {"lineWidth": 0, "fillOpacity": 90, "spanNulls": False}
)
"""How a state changes, a line for each series; with gaps where it is unknown."""


def listing(
    title: str,
    description: str,
    *queries: Json,
    columns: Mapping[str, str],
    first: str = "",
    **fields: Any,  # noqa: ANN401 -- panel names them
) -> Json:
    """Return a panel with one table of all queries, the greatest value of a column first.

    It has just these columns in this order, renamed.
    """
    options = {
        "frameIndex": 0,
        "showHeader": True,
        "showTypeIcons": False,
        **({"sortBy": [{"displayName": first, "desc": True}]} if first else {}),
        "footer": {"show": False, "reducer": [], "countRows": False},
        "cellHeight": "sm",
    }
    order = {name: index for index, name in enumerate(columns)}
    made = [
        {"id": "merge", "options": {}},
        {"id": "filterFieldsByName", "options": {"include": {"names": list(columns)}}},
        {"id": "organize", "options": {"indexByName": order, "renameByName": columns}},
    ]
    custom = {"align": "auto", "inspect": False, "filterable": True}
    table = partial(panel, "table", options, custom, transformations=made)
    return table(title, description, *queries, **fields)


TARGET = {"account_name": "Name", "aws_account_id": "Account", "aws_region": "Region"}
"""The columns that name a target."""

field = partial(override, "byName")
"""What is different for the field of a name."""


def query(letter: str, steps: Steps | None = None, **properties: object) -> Json:
    """Return what is different for the fields of a query."""
    limits = thresholds(steps) if steps else {}
    return override("byFrameRefID", letter, **properties, **limits)


def coloured(colours: Mapping[str, str]) -> tuple[Json, ...]:
    """Return the series of these names their colours."""
    return tuple(
        field(name, color={"mode": "fixed", "fixedColor": colour})
        for name, colour in colours.items()
    )


BY_STATUS = coloured(STATUSES)
_COLOURED = {"custom.cellOptions": {"type": "color-text"}}


def cell(
    name: str,
    meanings: Meanings | None = None,
    steps: Steps = PLAIN,
    unknown: str = "unknown",
    **properties: object,
) -> Json:
    """Colour the text of a table's column by what its values mean."""
    meant = {"mappings": mappings(meanings, unknown)}
    return field(name, **meant, **thresholds(steps), **_COLOURED, **properties)


def status_cell(name: str) -> Json:
    """Colour a column of statuses."""
    options = {status: {"color": colour, "text": status} for status, colour in STATUSES.items()}
    return field(name, mappings=[{"type": "value", "options": options}], **_COLOURED)


def absent_cell(name: str) -> Json:
    """Leave a column's cells empty where nothing is to be said."""
    return field(name, noValue="–")  # noqa: RUF001 - a dash, as in tables


def region_cell(account: str = "${__data.fields.Account}") -> Json:
    """Link a column of regions to the exporter's own page of the target."""
    url = f"${{exporter}}/targets/{account}/${{__value.raw}}"
    return field("Region", links=[{"title": "The exporter's page of this target", "url": url}])


_ACCOUNT_URL = board_url("account", "var-account=${__value.raw}&")
ACCOUNT_CELL = field(
    "Account",
    unit="string",
    links=[{"title": "This account over its regions", "url": _ACCOUNT_URL}],
)
"""A column of account ids that link to the Account dashboard; ids are text, never numbers."""

TARGET_CELLS = (absent_cell("Name"), ACCOUNT_CELL, region_cell())
