"""All targets' lines by the same settings: each is rendered anew where something has changed.

Knows no time but that which it is given, and no loop.
"""

from collections import Counter
from dataclasses import dataclass
from math import inf

from exporter.exposition.columns import (
    Capped,
    Column,
    Piece,
    column_of,
    header,
    labels_of,
    piece_of,
)
from exporter.exposition.counts import Options, count_invitations
from exporter.exposition.families import OF_TARGETS, Group, families_of
from exporter.exposition.samples import TargetView
from exporter.model import Account, Answer, Target
from exporter.state import TargetRecord, TargetState


@dataclass(slots=True, eq=False)
class Row:
    """A target's number in every column, and what its lines were made from."""

    number: int
    record: TargetRecord
    state: TargetState = TargetState.PENDING
    answer: Answer | None = None
    since: float = inf
    until: float = inf
    """Between these times, in Unix seconds, only a poll changes its lines."""


class Rendering:
    """The lines of all targets."""

    def __init__(self, options: Options, stale_after: float) -> None:
        self.by = (options, stale_after)
        self.accounts: tuple[Account, ...] | None = None
        """Those that are named; None while it is not known which there are."""
        self.names: list[Piece] = []
        self.rows: dict[Target, Row] = {}
        self.states: Counter[TargetState] = Counter()
        self._free: list[int] = []
        """Numbers of targets that are gone, for those that come."""
        self._families = [(each, header(each)) for each in families_of(options)]
        self._columns = {
            family.name: column_of(family, family.most(options))
            for family, _ in self._families
            if family.group in OF_TARGETS
        }
        self._by_group = {
            group: [each for each in self._columns.values() if each.family.group is group]
            for group in OF_TARGETS
        }

    def named(self, accounts: tuple[Account, ...]) -> Piece:
        """Return the lines that name some accounts."""
        family = next(each for each, _ in self._families if each.group is Group.ACCOUNT)
        return piece_of(family, [each for one in accounts for each in family.samples(one)])

    def add(self, record: TargetRecord, now: float) -> None:
        """Render a target that is not there yet, or that was gone for a moment."""
        row = self.rows.get(record.target) or self._begin(record.target)
        if row.record is not record:
            self.render(row, record, now)

    def render(self, row: Row, record: TargetRecord, now: float) -> None:
        """Render what has changed of a target since it was last rendered."""
        options, stale_after = self.by
        state, answer = record.as_of(now, stale_after)
        changed: list[Column] = []
        counts, until = None, row.until
        if answer is not row.answer or not row.since <= now < until:
            changed += self._by_group[Group.ANSWER]
            if answer is not None and answer.enabled:
                counts = count_invitations(answer.invitations, options, now)
            until = counts.valid_until if counts else inf
        if record is not row.record:
            changed += self._by_group[Group.POLL]
            if _outcome(record) != _outcome(row.record):
                changed += self._by_group[Group.OUTCOME]
        view, labels = TargetView(record, answer, counts, options.trust), labels_of(record.target)
        for column in changed:
            column.put(row.number, labels, column.family.samples(view))
        if row.state is not state:
            self.states[row.state] -= 1
            self.states[state] += 1
        stale = record.goes_stale(stale_after) if state is TargetState.FAILING else inf
        row.record, row.state, row.answer = record, state, answer
        row.since, row.until = now, min(until, stale)

    def _begin(self, target: Target) -> Row:
        """Have a row for a target, without lines."""
        if not self._free:
            self._free.append(len(self.rows))
            for column in self._columns.values():
                column.grow()
        row = self.rows[target] = Row(self._free.pop(), TargetRecord(target))
        self.states[row.state] += 1
        return row

    def remove(self, target: Target) -> None:
        """Leave a target out."""
        row = self.rows.pop(target)
        self._free.append(row.number)
        for column in self._columns.values():
            column.put(row.number, labels_of(target), ())
        self.states[row.state] -= 1

    def pieces(self) -> list[Piece]:
        """Return all of the text, in the order of the table."""
        capped = [each for each in self._columns.values() if isinstance(each, Capped)]
        dropped = {column.family.name: column.dropped for column in capped}
        found = []
        for family, meaning in self._families:
            found.append(meaning)
            if family.group in OF_TARGETS:
                found += self._columns[family.name].pieces
            elif family.group is Group.ACCOUNT:
                found += self.names
            elif self.rows:  # Else nobody knows what was left out.
                found.append(piece_of(family, family.samples(dropped)))
        return found


def _outcome(record: TargetRecord) -> str | None:
    """Return the error code of the last poll, empty if it got an answer; None before the first."""
    if record.last is None:
        return None
    return record.failure.code if record.failure else ""
