"""Age buckets of invitations: exclusive ranges, so that any sum over them is right."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise

UNKNOWN = "unknown"
"""The bucket of invitations without a readable time; it exists only where there are any."""

_HOUR = 3600
_DAY = 24 * _HOUR


class AgeBuckets:
    """Exclusive age ranges over given edges, lower edge inclusive.

    Labels are zero-padded to the widest edge (two digits of days, three of hours, at the least),
    so that they sort by age wherever they are sorted as text. They count in days, or in hours
    where an edge is no whole day.
    """

    def __init__(self, edges: Sequence[timedelta]) -> None:
        """Take the edges between buckets, ascending, each a whole number of hours."""
        self._edges = tuple(edge.total_seconds() for edge in edges)
        in_days = all(edge % _DAY == 0 for edge in self._edges)
        unit, letter, narrowest = (_DAY, "d", 2) if in_days else (_HOUR, "h", 3)
        numbers = [0, *(int(edge // unit) for edge in self._edges)]
        width = max(narrowest, len(str(numbers[-1])))
        names = [f"{number:0{width}d}{letter}" for number in numbers] + ["inf"]
        self.labels = tuple(f"{low}-{high}" for low, high in pairwise(names))

    def __eq__(self, other: object) -> bool:
        """Return whether these are the same ranges."""
        return isinstance(other, AgeBuckets) and self._edges == other._edges

    def __hash__(self) -> int:
        """Return the same number for the same ranges."""
        return hash(self._edges)

    def label(self, invited_at: float | None, now: float) -> str:
        """Name the bucket of an invitation; both times in Unix seconds.

        A time in the future counts as age 0: clocks differ, and the invitation is there.
        """
        return UNKNOWN if invited_at is None else self.labels[self._index(invited_at, now)]

    def next_crossing(self, invited_at: float | None, now: float) -> float:
        """Return from which Unix time an invitation is in its next bucket; infinity if never."""
        if invited_at is None:
            return float("inf")
        index = self._index(invited_at, now)
        return invited_at + self._edges[index] if index < len(self._edges) else float("inf")

    def _index(self, invited_at: float, now: float) -> int:
        """Count the edges behind an invitation.

        By the very sum that `next_crossing` gives: `now - invited_at` rounds differently, and an
        invitation could then still be in its old bucket when its crossing has come.
        """
        return bisect_right(self._edges, now, key=lambda edge: invited_at + edge)
