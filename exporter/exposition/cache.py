"""The rendered exposition, kept by column: a scrape renders only what changed since the last.

A column is a family, a row is a target, a cell is the bytes of the target's lines of that family. A
cell stays until the target's next poll that differs, or until one of its invitations crosses an age
edge. Cells are the only copy of the text; what was compressed is kept by blocks of rows.
"""

import gzip
import heapq
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeGuard

from exporter.exposition.table import METRICS, Family, Fleet, FleetView, Group, TargetView
from exporter.exposition.tally import Options, tally
from exporter.exposition.text import header, label_value, line, number
from exporter.model import Account, Answer, Invitation, Target
from exporter.snapshot import Knowledge, Snapshot, State

_BLOCK = 256
"""Rows that are compressed together."""

_COMPRESSION = 1


def families_of(options: Options) -> tuple[Family, ...]:
    """Give the table's families that these options show and that are rendered here."""
    return tuple(
        family
        for family in METRICS
        if family.group is not Group.TELEMETRY
        and (options.trusted or family.name != "macie_untrusted_invitations")
        and (options.max_invitation_series or family.group is not Group.INVITATION)
    )


@dataclass(frozen=True, slots=True)
class _Rendered:
    """What a row's cells were made from."""

    answer: Answer | None
    state: State
    ages_until: float
    """When the first invitation crosses an age edge, in Unix seconds."""


class _Column:
    """One family's cells, one for each row."""

    def __init__(self, family: Family, rows: int) -> None:
        own = [label for label in family.labels if not label.startswith("aws_")]
        before = sum(label < "aws_" for label in own)
        self._before = before
        self._samples = family.samples
        slots = [f'{label}="%s"' for label in own]
        slots.insert(before, "%s")
        self._template = f"{family.name}{{{','.join(slots)}}} %s\n"
        self.family = family
        self.header = header(family.name, family.kind, family.help)
        self.cells = [b""] * rows
        self.blocks: dict[int, bytes] = {}
        self._packed_header = _packed(self.header)

    def render(self, row: int, labels: str, view: TargetView) -> None:
        """Render a cell; `labels` are the target's own, ready to stand between the braces."""
        cell = "".join(
            [
                self._template
                % (
                    *map(label_value, values[: self._before]),
                    labels,
                    *map(label_value, values[self._before :]),
                    number(value),
                )
                for values, value in self._samples(view)
            ]
        ).encode()
        if cell != self.cells[row]:
            self.cells[row] = cell
            self.blocks.pop(row // _BLOCK, None)

    def packed(self) -> Iterator[bytes]:
        """Give the column as gzip members; only blocks that changed are compressed."""
        yield self._packed_header
        for block in range(0, -(-len(self.cells) // _BLOCK)):
            member = self.blocks.get(block)
            if member is None:
                start = block * _BLOCK
                member = _packed(b"".join(self.cells[start : start + _BLOCK]))
                self.blocks[block] = member
            yield member


class Cache:
    """Renders the exposition of a snapshot. One scrape at a time; the others wait for it."""

    def __init__(
        self,
        snapshot: Snapshot,
        *,
        options: Options,
        stale_after: float,
        now: Callable[[], float],
        fleet: Callable[[], Fleet],
        accounts: Callable[[], tuple[Account, ...]],
    ) -> None:
        """Render as of `now()`, in Unix seconds; a target is stale after so many seconds."""
        self._snapshot, self._options, self._stale_after = snapshot, options, stale_after
        self._now, self._fleet, self._accounts = now, fleet, accounts
        self._lock = threading.Lock()
        self._families = families_of(options)
        self._targets: tuple[Target, ...] = ()
        self._rows: dict[Target, int] = {}
        self._labels: list[str] = []
        self._rendered: list[_Rendered | None] = []
        self._columns: dict[str, _Column] = {}
        self._grouped: dict[Group, list[_Column]] = {Group.ANSWER: [], Group.POLL: []}
        self._edges: list[tuple[float, Target]] = []
        self._states: Counter[State] = Counter()
        self._invitations: tuple[bytes, int] | None = None
        self._account_text: tuple[tuple[Account, ...], bytes] | None = None
        self.renders = 0
        """How many rows have been rendered so far: what a test of the cost counts."""

    def text(self) -> bytes:
        """Give the exposition as text, up to the telemetry's own families."""
        with self._lock:
            self._refresh()
            return b"".join(self._parts(lambda column: (column.header, *column.cells), bytes))

    def packed(self) -> bytes:
        """Give the same as gzip members."""
        with self._lock:
            self._refresh()
            return b"".join(self._parts(_Column.packed, _packed))

    def _parts(
        self, of_column: Callable[[_Column], Iterable[bytes]], of_rest: Callable[[bytes], bytes]
    ) -> Iterator[bytes]:
        view = FleetView(self._fleet(), self._states, self._dropped())
        for family in self._families:
            column = self._columns.get(family.name)
            if column is not None:
                yield from of_column(column)
            else:
                yield of_rest(header(family.name, family.kind, family.help) + self._rest(family, view))

    def _rest(self, family: Family, view: FleetView) -> bytes:
        match family.group:
            case Group.INVITATION:
                return self._invitation_text(family)[0]
            case Group.ACCOUNT:
                return self._accounts_text(family)
            case _:
                return _lines(family, [view])

    def _refresh(self) -> None:
        """Render anew the rows that changed and those with an age or staleness edge behind them."""
        now = self._now()
        changed = self._snapshot.take_changes()
        if any((target in self._rows) != (self._snapshot.get(target) is not None) for target in changed):
            self._lay_out()
        while self._edges and self._edges[0][0] <= now:
            changed.add(heapq.heappop(self._edges)[1])
        for target in changed:
            row = self._rows.get(target)
            knowledge = self._snapshot.get(target)
            if row is not None and knowledge is not None:
                self._render(row, knowledge, now)

    def _lay_out(self) -> None:
        """Give every target its row, in order; what is rendered of those that stay is kept."""
        known = {knowledge.target: knowledge for knowledge in self._snapshot.all()}
        old_rows = self._rows
        self._targets = tuple(sorted(known))
        self._rows = {target: row for row, target in enumerate(self._targets)}
        kept = [old_rows.get(target) for target in self._targets]
        rendered = self._rendered
        self._rendered = [None if row is None else rendered[row] for row in kept]
        self._labels = [
            f'aws_account_id="{label_value(t.account_id)}",aws_region="{label_value(t.region)}"'
            for t in self._targets
        ]
        self._states = Counter(made.state for made in self._rendered if made is not None)
        self._invitations = None
        per_target = [f for f in self._families if f.group in {Group.ANSWER, Group.POLL}]
        old = self._columns
        self._columns = {family.name: _Column(family, len(self._targets)) for family in per_target}
        for name, column in self._columns.items():
            if name in old:
                cells = old[name].cells
                column.cells = [b"" if row is None else cells[row] for row in kept]
        for group in self._grouped:
            self._grouped[group] = [c for c in self._columns.values() if c.family.group is group]

    def _render(self, row: int, knowledge: Knowledge, now: float) -> None:
        self.renders += 1
        previous = self._rendered[row]
        state = knowledge.state(now, self._stale_after)
        answer = knowledge.current(now, self._stale_after)
        if previous is None or previous.answer is not answer or now >= previous.ages_until:
            counted = tally(answer.invitations, self._options, now) if _lists(answer) else None
            self._render_group(Group.ANSWER, row, TargetView(knowledge, answer, counted))
            ages_until = counted.valid_until if counted else _NEVER
            self._plan(ages_until, knowledge.target)
        else:
            # Polled again with the same invitations: only what tells of the poll has moved.
            ages_until = previous.ages_until
        self._render_group(Group.POLL, row, TargetView(knowledge, answer, None))
        if state is State.FAILING:
            self._plan(knowledge.goes_stale(self._stale_after), knowledge.target)
        if previous is None or previous.answer is not answer:
            self._invitations = None
        if previous is not None:
            self._states[previous.state] -= 1
        self._states[state] += 1
        self._rendered[row] = _Rendered(answer, state, ages_until)

    def _render_group(self, group: Group, row: int, view: TargetView) -> None:
        for column in self._grouped[group]:
            column.render(row, self._labels[row], view)

    def _plan(self, edge: float, target: Target) -> None:
        """Have the target rendered again at the first scrape from that time on."""
        if edge < _NEVER:
            heapq.heappush(self._edges, (edge, target))

    def _dropped(self) -> int:
        family = next((f for f in self._families if f.group is Group.INVITATION), None)
        return self._invitation_text(family)[1] if family else 0

    def _invitation_text(self, family: Family) -> tuple[bytes, int]:
        """Give the lines of the newest single invitations, and how many the cap leaves out."""
        if self._invitations is None:
            listed = self._single_invitations()
            newest = heapq.nlargest(self._options.max_invitation_series, listed, key=_newest_first)
            lines = _lines(family, sorted(newest, key=_by_labels))
            self._invitations = (lines, max(len(listed) - len(newest), 0))
        return self._invitations

    def _single_invitations(self) -> list[tuple[Target, Invitation]]:
        """Give every readable invitation that still counts; of one id, a target lists one."""
        found = {
            (target, invitation.invitation_id, invitation.inviter_account_id, invitation.relationship_status): (
                target,
                invitation,
            )
            for target, made in zip(self._targets, self._rendered, strict=True)
            if made is not None and made.answer is not None
            for invitation in made.answer.invitations
            if invitation.invited_at is not None
        }
        return list(found.values())

    def _accounts_text(self, family: Family) -> bytes:
        accounts = self._accounts()
        if self._account_text is None or self._account_text[0] is not accounts:
            self._account_text = (accounts, _lines(family, sorted(accounts, key=lambda a: a.id)))
        return self._account_text[1]


_NEVER = float("inf")


def _lists(answer: Answer | None) -> TypeGuard[Answer]:
    return answer is not None and answer.enabled


def _newest_first(pair: tuple[Target, Invitation]) -> tuple[float, Target, str]:
    """Order by time; then by target and id, so that the cap keeps the same ones each time."""
    target, invitation = pair
    return invitation.invited_at or 0.0, target, invitation.invitation_id


def _by_labels(pair: tuple[Target, Invitation]) -> tuple[Target, str, str, str]:
    target, invitation = pair
    return (
        target,
        invitation.invitation_id,
        invitation.inviter_account_id,
        invitation.relationship_status,
    )


def _lines(family: Family, views: Sequence[object]) -> bytes:
    return "".join(
        line(family.name, tuple(zip(family.labels, values, strict=True)), value)
        for view in views
        for values, value in family.samples(view)
    ).encode()


def _packed(text: bytes) -> bytes:
    return gzip.compress(text, _COMPRESSION, mtime=0)
