"""The rendered exposition of a snapshot: a scrape renders only what changed since the last.

A target's row is rendered after a poll, when one of its invitations crosses an age edge, and when
it goes stale. Knows nothing of HTTP.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import inf

from exporter.exposition.column import Column
from exporter.exposition.family import PER_TARGET, Family, Fleet, FleetView, Group, TargetView
from exporter.exposition.packing import Piece, gzip_file, pack, store
from exporter.exposition.singles import newest
from exporter.exposition.table import METRICS
from exporter.exposition.tally import Options, tally
from exporter.exposition.text import Numbers, header, label_value, line
from exporter.model import OTHER_STATUS, Account, Answer, Target
from exporter.snapshot import Knowledge, Snapshot, State

_BATCH = 512
"""Rows that are rendered together: a column at a time is fast, all rows at once costs memory."""

_FEW = 16
"""Changed rows up to which a scrape costs little more than one of an unchanged fleet."""


def families_of(options: Options) -> tuple[Family, ...]:
    """Give the table's families that these options show and that are rendered here."""
    return tuple(
        family
        for family in METRICS
        if family.group is not Group.TELEMETRY
        and (options.trusted or family.name != "macie_untrusted_invitations")
        and (options.max_invitation_series or family.group is not Group.INVITATION)
    )


@dataclass(slots=True, eq=False)
class _Row:
    """A target's place in every column, and what its cells were made from."""

    target: Target
    labels: str
    number: int = 0
    state: State | None = None
    answer: Answer | None = None
    outcome: str | None = None
    """The error code of the last poll, empty if it got an answer; None before the first."""
    folded: int = 0
    """Invitations of the answer whose status is one of the `other`."""
    ages_until: float = inf
    """When the first invitation crosses an age edge, in Unix seconds."""
    due: float = inf
    """When the row has to be rendered again, even if no poll changes it, in Unix seconds."""


_Cells = list[tuple[int, str, TargetView]]


_SMALL = 4096
"""Bytes of text up to which compressing is not worth its while."""


class _Text:
    """Text that is no column; compressed at most once."""

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._packed: Piece | None = None

    def text(self) -> list[bytes]:
        return [self._text]

    def packed(self) -> Piece:
        if self._packed is None:
            self._packed = pack(self._text) if len(self._text) > _SMALL else store(self._text)
        return self._packed


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
        self._snapshot = snapshot
        self._now, self._fleet, self._accounts = now, fleet, accounts
        self._lock = threading.Lock()
        self.renders = 0
        """How many rows have been rendered so far: what a test of the cost counts."""
        self._begin(options, stale_after)

    def _begin(self, options: Options, stale_after: float) -> None:
        """Have nothing rendered yet."""
        self._options, self._stale_after = options, stale_after
        self._families = families_of(options)
        self._columns = {f.name: Column(f) for f in self._families if f.group in PER_TARGET}
        self._rows: dict[Target, _Row] = {}
        self._changes = self._snapshot.watch()
        self._as_of = -inf
        self._next_edge = -inf
        """Before this no row is due, in Unix seconds."""
        self._states: Counter[State] = Counter()
        self._folded = 0
        self._singles: tuple[_Text, int] | None = None
        self._named: tuple[tuple[Account, ...], _Text] | None = None

    def show(self, options: Options, stale_after: float) -> None:
        """Render by these from the next scrape on; where they are the same, nothing is lost.

        The old text goes now: in an exposition of its own it would stay until Python collects
        garbage, beside the new one.
        """
        with self._lock:
            if (options, stale_after) != (self._options, self._stale_after):
                self._begin(options, stale_after)

    @property
    def is_fresh(self) -> bool:
        """Whether a scrape now has next to nothing to render."""
        return len(self._changes) <= _FEW and self._as_of <= self._now() < self._next_edge

    def text(self, tail: bytes = b"") -> bytes:
        """Give the exposition as text, with the telemetry's own as its tail."""
        return b"".join(self.pieces(tail))

    def pieces(self, tail: bytes = b"") -> list[bytes]:
        """Give the same in the pieces that are kept here: joined they take their size once more."""
        with self._lock:
            return [*(piece for part in self._parts() for piece in part.text()), tail]

    def packed(self, tail: bytes = b"") -> bytes:
        """Give the same as a gzip file."""
        with self._lock:
            return gzip_file([*(part.packed() for part in self._parts()), store(tail)])

    def _parts(self) -> list[Column | _Text]:
        self._refresh()
        dropped = self._single_invitations()[1]
        view = FleetView(self._fleet(), self._states, dropped, self._folded)
        return [self._columns.get(f.name) or self._rest(f, view) for f in self._families]

    def _rest(self, family: Family, view: FleetView) -> _Text:
        if family.group is Group.INVITATION:
            return self._single_invitations()[0]
        if family.group is Group.ACCOUNT:
            return self._named_accounts(family)
        return _text(family, [view])

    def _refresh(self) -> None:
        """Render anew the rows that changed and those with an age or staleness edge behind them.

        All of them if the clock was set back: ages have shrunk.
        """
        now = self._now()
        set_back = now < self._as_of
        self._as_of = now
        changed = {target: self._snapshot.get(target) for target in self._changes.take()}
        if any((target in self._rows) != (known is not None) for target, known in changed.items()):
            self._lay_out(changed)
        crossing = set_back or now >= self._next_edge
        due = [row for row in self._rows.values() if set_back or row.due <= now] if crossing else []
        for batch in _batches([*self._polled(changed), *self._crossed(due, changed)]):
            self._render(batch, now, set_back=set_back)
        if crossing:
            self._next_edge = min([row.due for row in self._rows.values()], default=inf)

    def _polled(
        self, changed: dict[Target, Knowledge | None]
    ) -> Iterator[tuple[_Row, Knowledge, bool]]:
        for target, known in changed.items():
            if known is not None:
                yield self._rows[target], known, True

    def _crossed(
        self, due: Iterable[_Row], changed: dict[Target, Knowledge | None]
    ) -> Iterator[tuple[_Row, Knowledge, bool]]:
        for row in due:
            known = None if row.target in changed else self._snapshot.get(row.target)
            # A target that went this very moment is in the next scrape's changes.
            if known is not None:
                yield row, known, False

    def _lay_out(self, changed: dict[Target, Knowledge | None]) -> None:
        """Give every target its row, in order; what is rendered of those that stay is kept."""
        for target, known in changed.items():
            if known is None:
                self._rows.pop(target, None)
            elif target not in self._rows:
                self._rows[target] = _Row(target, _labels(target), -1)
        ordered = sorted(self._rows.items(), key=lambda item: (item[0].account_id, item[0].region))
        self._rows = dict(ordered)
        rows = self._rows.values()
        kept = [None if row.number < 0 else row.number for row in rows]
        for column in self._columns.values():
            column.arrange(kept)
        for number, row in enumerate(rows):
            row.number = number
        self._states = Counter(row.state for row in rows if row.state is not None)
        self._folded = sum(row.folded for row in rows)
        self._singles = None

    def _render(
        self, batch: Sequence[tuple[_Row, Knowledge, bool]], now: float, *, set_back: bool
    ) -> None:
        cells: dict[Group, _Cells] = {group: [] for group in PER_TARGET}
        for row, known, polled in batch:
            state, answer = known.as_of(now, self._stale_after)
            if row.answer is not answer or now >= row.ages_until or set_back:
                view = self._counted(row, known, answer, now)
                cells[Group.ANSWER].append((row.number, row.labels, view))
            if polled:
                view = TargetView(known, answer, None)
                cells[Group.POLL].append((row.number, row.labels, view))
                outcome = _outcome(known)
                if row.outcome != outcome:
                    row.outcome = outcome
                    cells[Group.OUTCOME].append((row.number, row.labels, view))
            stale = known.goes_stale(self._stale_after) if state is State.FAILING else inf
            row.due = min(row.ages_until, stale)
            self._next_edge = min(self._next_edge, row.due)
            if row.state is not state:
                self._count(row, state)
        self.renders += len(batch)
        numbers = Numbers()
        for column in self._columns.values():
            column.render(cells[column.group], numbers)

    def _counted(
        self, row: _Row, known: Knowledge, answer: Answer | None, now: float
    ) -> TargetView:
        """Count a row's invitations, and note until when that holds."""
        if row.answer is not answer:
            row.answer, self._singles = answer, None
            listed = answer.invitations if answer else ()
            folded = sum(each.relationship_status == OTHER_STATUS for each in listed)
            self._folded += folded - row.folded
            row.folded = folded
        counted = None
        if answer is not None and answer.enabled:
            counted = tally(answer.invitations, self._options, now)
        row.ages_until = counted.valid_until if counted else inf
        return TargetView(known, answer, counted)

    def _count(self, row: _Row, state: State) -> None:
        if row.state is not None:
            self._states[row.state] -= 1
        self._states[state] += 1
        row.state = state

    def _single_invitations(self) -> tuple[_Text, int]:
        """Give the newest single invitations, and how many the cap leaves out."""
        if self._singles is None:
            family = next((f for f in self._families if f.group is Group.INVITATION), None)
            answers = ((row.target, row.answer) for row in self._rows.values())
            if family is None:
                self._singles = (_Text(b""), 0)
            else:
                kept, dropped = newest(answers, self._options.max_invitation_series)
                self._singles = (_text(family, kept), dropped)
        return self._singles

    def _named_accounts(self, family: Family) -> _Text:
        accounts = self._accounts()
        if self._named is None or self._named[0] is not accounts:
            by_id = {account.id: account for account in accounts}
            named = _text(family, [by_id[account_id] for account_id in sorted(by_id)])
            self._named = (accounts, named)
        return self._named[1]


def _outcome(known: Knowledge) -> str | None:
    if known.last is None:
        return None
    return known.failure.code if known.failure else ""


def _labels(target: Target) -> str:
    account, region = label_value(target.account_id), label_value(target.region)
    return f'aws_account_id="{account}",aws_region="{region}"'


def _text(family: Family, views: Iterable[object]) -> _Text:
    lines = [
        line(family.name, zip(family.labels, values, strict=True), value)
        for view in views
        for values, value in family.samples(view)
    ]
    return _Text(
        header(family.name, family.kind, family.help) + "".join(lines).encode(),
    )


def _batches(
    jobs: Sequence[tuple[_Row, Knowledge, bool]],
) -> Iterator[Sequence[tuple[_Row, Knowledge, bool]]]:
    return (jobs[at : at + _BATCH] for at in range(0, len(jobs), _BATCH))
