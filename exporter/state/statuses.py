"""Which relationship statuses have a name of their own: few, since others choose what they are.

Pure; knows nothing of how values are shown.
"""

from dataclasses import dataclass, replace
from heapq import nsmallest

from exporter.model import KNOWN_STATUSES, OTHER_STATUS, UNKNOWN_STATUS, Answer

MOST_UNKNOWN = 32
"""Statuses that Macie's API reference does not list, but that have come: AWS may add some."""

_ALWAYS = frozenset((*KNOWN_STATUSES, UNKNOWN_STATUS, OTHER_STATUS))


@dataclass(frozen=True, slots=True)
class Statuses:
    """The statuses with a name; all others are `other`.

    It only grows: what has a name keeps it, and its series with it.
    """

    names: frozenset[str] = _ALWAYS

    def admitting(self, answer: Answer) -> "Statuses":
        """Return these and those of an answer, in the order of their letters while there is room.

        That order, so that it does not matter in which one AWS lists invitations.
        """
        new = {each.relationship_status for each in answer.invitations} - self.names
        room = len(_ALWAYS) + MOST_UNKNOWN - len(self.names)
        return Statuses(self.names.union(nsmallest(room, new))) if new and room else self

    def folded(self, answer: Answer) -> Answer:
        """Return an answer without other statuses than these; the same one if it has none."""
        listed = answer.invitations
        if self.names.issuperset(each.relationship_status for each in listed):
            return answer
        return replace(
            answer,
            invitations=tuple(
                each
                if each.relationship_status in self.names
                else replace(each, relationship_status=OTHER_STATUS)
                for each in listed
            ),
        )
