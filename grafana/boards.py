"""All dashboards, by the names of their files; where they lie, and in which forms."""

import json
from collections.abc import Mapping
from pathlib import Path

from grafana import account, exporter_health, invitations
from grafana.board import Json

BOARDS: Mapping[str, Json] = {
    "account": account.BOARD,
    "exporter": exporter_health.BOARD,
    "invitations": invitations.BOARD,
}

FOLDER = Path(__file__).parents[1] / "helm/macie-invitations-exporter/files/dashboards"
"""In the chart, which packs nothing from above it."""


def written(board: Json) -> str:
    """Return the file that Grafana imports."""
    return json.dumps(board, indent=2, ensure_ascii=False) + "\n"


_OLDEST = "11.0.0"
"""Grafana from which on everything in the dashboards is there."""


def published(board: Json) -> Json:
    """Return a dashboard in the form that grafana.com takes: as Grafana exports one to be shared.

    The data source is a variable of the dashboard, so nothing has to be asked of who imports it.

    https://grafana.com/docs/grafana/latest/dashboards/share-dashboards-panels/#export-dashboards
    """
    kinds = {panel["type"] for panel in board["panels"]} - {"row"}
    needed = [
        ("grafana", "grafana", "Grafana", _OLDEST),
        ("datasource", "prometheus", "Prometheus", "1.0.0"),
        *(("panel", kind, kind, "") for kind in sorted(kinds)),
    ]
    keys = ("type", "id", "name", "version")
    requires = [dict(zip(keys, each, strict=True)) for each in needed]
    return {"__inputs": [], "__elements": {}, "__requires": requires, "id": None, **board}
