"""All dashboards, by the names of their files, and where these lie."""

from collections.abc import Mapping
from pathlib import Path

from grafana import account, exporter_health, invitations
from grafana.board import Board

BOARDS: Mapping[str, Board] = {
    "account": account.BOARD,
    "exporter": exporter_health.BOARD,
    "invitations": invitations.BOARD,
}

_HERE = Path(__file__).parent
FOLDERS = (_HERE, _HERE.parent / "helm/macie-invitations-exporter/files/dashboards")
"""Beside the code for people, and a copy in the chart: Helm packs no links and nothing above it."""
