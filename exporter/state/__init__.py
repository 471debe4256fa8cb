"""The latest known truth of every target: each poll makes a new record, one snapshot holds them.

It knows values and error codes, and nothing of AWS or of how values are shown.
"""

from exporter.state.records import TargetRecord, TargetState
from exporter.state.snapshot import Snapshot

__all__ = ["Snapshot", "TargetRecord", "TargetState"]
