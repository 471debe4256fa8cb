"""All dashboards, by the names of their files, and where they lie."""

from collections.abc import Mapping
from pathlib import Path

from grafana import account, exporter_health, invitations
from grafana.board import Board

BOARDS: Mapping[str, Board] = {
    "account": account.BOARD,
    "exporter": exporter_health.BOARD,
    "invitations": invitations.BOARD,
}

FOLDER = Path(__file__).parents[1] / "helm/macie-invitations-exporter/files/dashboards"
"""In the chart, which packs nothing from above it."""
