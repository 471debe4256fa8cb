"""How a family's samples are read off what they are made from."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from exporter.exposition.counts import InvitationCounts
from exporter.exposition.fleet import Fleet
from exporter.model import NO_ADMINISTRATOR, NO_TRUST, Answer, Trust
from exporter.state import TargetRecord, TargetState

Sample = tuple[tuple[str, ...], float]
"""Values of a family's own labels (those of the target aside), in their order, and the number."""

Samples = Callable[[Any], Iterable[Sample]]
"""Takes what the family's group says: a TargetView, an Account, counts by name, or the Fleet."""


@dataclass(frozen=True, slots=True)
class TargetView:
    """A target as its samples see it. No answer: nothing is known that still counts."""

    record: TargetRecord
    answer: Answer | None
    counts: InvitationCounts | None
    trust: Trust = NO_TRUST


def one(pick: Callable[[Any], float | None]) -> Samples:
    """Return a getter of the one sample of a family without labels, absent where it is None."""

    def samples(of: object) -> Iterable[Sample]:
        value = pick(of)
        return () if value is None else (((), float(value)),)

    return samples


def counted(pick: Callable[[InvitationCounts], Mapping[tuple[str, ...], float]]) -> Samples:
    """Return a getter of counts or times by their labels."""
    return lambda view: pick(view.counts).items() if view.counts else ()


def invitations(view: TargetView) -> Iterable[Sample]:
    """Yield when each invitation was sent."""
    for each in view.answer.invitations if view.answer else ():
        if each.invited_at is not None:
            labels = (each.invitation_id, each.inviter_account_id, each.relationship_status)
            yield labels, each.invited_at


def has_administrator(view: TargetView) -> float | None:
    """Return whether there is an administrator; None where that is not known."""
    administrator = view.answer.administrator if view.answer else None
    return None if administrator is None else administrator != NO_ADMINISTRATOR


def administrator(view: TargetView) -> Iterable[Sample]:
    """Yield the administrator, if there is one."""
    found = view.answer.administrator if view.answer else None
    if found is not None and found != NO_ADMINISTRATOR:
        yield (found.account_id, found.relationship_status), 1.0


def untrusted_administrator(view: TargetView) -> Iterable[Sample]:
    """Yield the administrator, if there is one that is not trusted."""
    for (account_id, _), value in administrator(view):
        if view.trust.trusts(account_id) is False:
            yield (account_id,), value


def error(view: TargetView) -> Iterable[Sample]:
    """Return the code of the last poll's failure, if it failed."""
    failure = view.record.failure
    return () if failure is None else (((failure.code,), 1.0),)


def states(fleet: Fleet) -> Iterable[Sample]:
    """Return how many targets are in each state, where it is known which there are."""
    of = fleet.states
    return () if of is None else [((s.value,), float(of.get(s, 0))) for s in TargetState]
