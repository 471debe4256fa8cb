"""Which relationship statuses have a name of their own: few, since others choose what they are.

Pure; knows nothing of how values are shown.
"""

from dataclasses import replace
from heapq import nsmallest

from exporter.model import KNOWN_STATUSES, OTHER_STATUS, UNKNOWN_STATUS, Answer

MOST_UNKNOWN = 32
"""Statuses that Macie's API reference does not list, but that have come: AWS may add some."""

ALWAYS = frozenset((*KNOWN_STATUSES, UNKNOWN_STATUS, OTHER_STATUS))
"""Those that have a name from the start; all others are `other`."""


def admitted(names: frozenset[str], answer: Answer) -> frozenset[str]:
    """Return the names and those of an answer, in the order of their letters while there is room.

    That order, so that it does not matter in which one AWS lists invitations. What has a name keeps
    it, and its series with it.
    """
    new = {each.relationship_status for each in answer.invitations} - names
    room = len(ALWAYS) + MOST_UNKNOWN - len(names)
    return names.union(nsmallest(room, new)) if new and room else names


def folded(names: frozenset[str], answer: Answer) -> Answer:
    """Return an answer without other statuses than these; the same one if it has none."""
    listed = answer.invitations
    if names.issuperset(each.relationship_status for each in listed):
        return answer
    kept = (
        each
        if each.relationship_status in names
        else replace(each, relationship_status=OTHER_STATUS)
        for each in listed
    )
    return replace(answer, invitations=tuple(kept))
