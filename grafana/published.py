"""A dashboard in the form that grafana.com takes: as Grafana exports one to be shared.

https://grafana.com/docs/grafana/latest/dashboards/share-dashboards-panels/#export-dashboards
"""

import json
from typing import Any

_OLDEST = "11.0.0"
"""Grafana from which on everything in the dashboards is there."""
_NAMES = {
    "barchart": "Bar chart",
    "heatmap": "Heatmap",
    "stat": "Stat",
    "state-timeline": "State timeline",
    "table": "Table",
    "timeseries": "Time series",
}


def published(text: str) -> str:
    """Return a dashboard's JSON with what it needs of whoever imports it.

    The data source is a variable of the dashboard, so nothing has to be asked. Raises KeyError for
    a kind of panel without a name.
    """
    board: dict[str, Any] = json.loads(text)
    panels = [inner for panel in board["panels"] for inner in (panel, *panel.get("panels", ()))]
    kinds = {panel["type"] for panel in panels} - {"row"}
    plugins = [("panel", kind, _NAMES[kind], "") for kind in sorted(kinds)]
    needed = [
        ("grafana", "grafana", "Grafana", _OLDEST),
        ("datasource", "prometheus", "Prometheus", "1.0.0"),
        *plugins,
    ]
    keys = ("type", "id", "name", "version")
    whole = {
        "__inputs": [],
        "__elements": {},
        "__requires": [dict(zip(keys, each, strict=True)) for each in needed],
        "id": None,
        **board,
    }
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"
