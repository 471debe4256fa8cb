"""The exposition: a target's lines are rendered when its poll lands, and a scrape gathers them.

All of it runs in one event loop, and nothing holds that for longer than `_TURN`. The text of each
family is kept in pieces of a few targets. A piece is never changed, only replaced: what a scrape
has gathered is of one moment, however long it then takes to compress and to send. Knows no HTTP.
"""

import asyncio
import struct
import time
import zlib
from array import array
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from heapq import merge
from math import inf
from typing import TypeVar

from prometheus_client.utils import floatToGoString

from exporter.exposition.counts import Options, count_invitations
from exporter.exposition.families import (
    OF_TARGETS,
    TARGET_LABELS,
    Family,
    Group,
    Sample,
    TargetView,
    families_of,
)
from exporter.model import Account, Answer, Target
from exporter.snapshot import Knowledge, Snapshot, State

PIECE = 64
"""Targets of a piece: few enough that one poll's change costs microseconds, and enough that a
scrape gathers and compresses well."""

_TURN = 0.01
"""Seconds of work after which the others of the loop have their turn."""

_PART = 2048
"""Of accounts or targets: so many are sorted in a few milliseconds."""

_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"
"""RFC 1952: deflate, no name, no time, fastest, no system."""

_T = TypeVar("_T")


class Exposition:
    """The text of all targets, always up to date but for what the passing of time changes."""

    def __init__(
        self, state: Snapshot, options: Options, stale_after: float, now: Callable[[], float]
    ) -> None:
        """Show nothing yet. Times are Unix seconds; `stale_after` is in seconds."""
        self._state, self._now = state, now
        self._options, self._stale_after = options, stale_after
        self._accounts: tuple[Account, ...] = ()
        self._shown = _Rendering(options, stale_after, ())
        self._coming: _Rendering | None = None
        self._settling = asyncio.Lock()

    @property
    def states(self) -> Counter[State]:
        """How many targets are in each state."""
        return self._shown.states

    def update(self, target: Target) -> None:
        """Render a target whose poll has landed; one that is not shown (yet) is left alone."""
        known, now = self._state.get(target), self._now()
        for rendering in (self._shown, self._coming):
            row = rendering.rows.get(target) if rendering else None
            if rendering and row and known:
                rendering.render(row, known, now)

    async def retain(self, accounts: tuple[Account, ...]) -> None:
        """Show exactly the targets of the state from now on, and name these accounts.

        What is shown stays until all of it is rendered anew, and polls that land show in both.
        """
        self._accounts = accounts
        await self._settle()

    async def reconfigure(self, options: Options, stale_after: float) -> None:
        """Show it by these settings from now on. Here too the old stays until the new is there."""
        self._options, self._stale_after = options, stale_after
        for rendering in (self._shown, self._coming):
            if rendering and rendering.stale_after != stale_after:
                rendering.judge_by(stale_after)
        await self._settle()

    async def catch_up(self) -> None:
        """Render what time has changed: age edges and staleness, or a clock that was set back.

        A scrape does it as well; called every second there is little left for that to do.
        """
        pause = _Pause()
        while row := self._shown.overdue(self._now()):
            self._shown.render(row, row.known, self._now())
            await pause()

    async def text(self, tail: Callable[[], bytes] = bytes) -> list[bytes]:
        """Return the exposition as of now, in pieces; the last is `tail`, asked at that moment."""
        return [*(piece.text for piece in await self._gather()), tail()]

    async def gzip(self, tail: Callable[[], bytes] = bytes) -> list[bytes]:
        """Return the same as a gzip file, in pieces. Only text that changed is compressed anew.

        A file of one member: curl and browsers show only the first one.
        """
        pieces, last, pause = await self._gather(), tail(), _Pause()
        deflate = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
        checksum = 0
        for piece in pieces:
            if piece.deflated is None:
                # What follows a full flush refers to nothing before it: it may stand anywhere.
                data = deflate.compress(piece.text) + deflate.flush(zlib.Z_FULL_FLUSH)
                piece.deflated = data
            checksum = zlib.crc32(piece.text, checksum)
            await pause()
        size = sum(len(piece.text) for piece in pieces) + len(last)
        end = struct.pack("<LL", zlib.crc32(last, checksum), size & 0xFFFFFFFF)
        packed = [piece.deflated or b"" for piece in pieces]
        return [_GZIP_HEADER, *packed, deflate.compress(last) + deflate.flush(), end]

    async def _gather(self) -> "list[_Piece]":
        await self.catch_up()
        return self._shown.pieces()

    async def _settle(self) -> None:
        """Render anew if other targets, accounts or options are wanted than are shown."""
        async with self._settling:
            shown, known = self._shown, self._state.all()
            wanted = (self._options, self._accounts, {each.target for each in known})
            if wanted != (shown.options, shown.accounts, shown.rows.keys()):
                self._coming = _Rendering(self._options, self._stale_after, self._accounts)
                try:
                    await self._fill(self._coming, [each.target for each in known])
                    self._shown = self._coming
                finally:
                    self._coming = None

    async def _fill(self, coming: "_Rendering", targets: Sequence[Target]) -> None:
        pause, runs = _Pause(), []
        by_id = {account.id: account for account in coming.accounts}
        for ids in _parts(sorted(by_id)):
            coming.name([by_id[each] for each in ids])
            await pause()
        for part in _parts(targets):
            runs.append(sorted(part))
            await pause()
        for target in merge(*runs):
            known = self._state.get(target)
            if known is not None:
                coming.add(known, self._now())
            await pause()


class _Pause:
    """Lets the others of the loop have their turn, if this one has taken long enough."""

    def __init__(self) -> None:
        self._end = time.monotonic() + _TURN

    async def __call__(self) -> None:
        if time.monotonic() >= self._end:
            await asyncio.sleep(0)
            self._end = time.monotonic() + _TURN


class _Piece:
    """Some of a family's text, and the same deflated once a scrape has wanted that."""

    __slots__ = ("deflated", "text")

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.deflated = None if text else b""


_EMPTY = _Piece(b"")


@dataclass(slots=True, eq=False)
class _Row:
    """A target's number in every column, and what its lines were made from."""

    number: int
    known: Knowledge
    state: State | None = None
    """None before the first rendering."""
    answer: Answer | None = None
    since: float = inf
    """When it was last rendered, in Unix seconds."""
    crossing: float = inf
    """When the first invitation crosses an age edge."""
    due: float = inf
    """When it has to be rendered again, even if no poll changes it."""


class _Rendering:
    """All targets' lines by the same options. Grows a target at a time, in their order."""

    def __init__(
        self, options: Options, stale_after: float, accounts: tuple[Account, ...]
    ) -> None:
        self.options, self.stale_after, self.accounts = options, stale_after, accounts
        self.rows: dict[Target, _Row] = {}
        self.states: Counter[State] = Counter()
        self._families = [(each, _Piece(_header(each))) for each in families_of(options)]
        self._columns = {
            family.name: _column(family, family.most(options))
            for family, _ in self._families
            if family.group in OF_TARGETS
        }
        self._names: list[_Piece] = []
        self._as_of, self._next_edge = -inf, inf
        """Between these times no row is overdue but for those that are known to be."""
        self._overdue: list[_Row] = []

    def name(self, accounts: Iterable[Account]) -> None:
        """Name some more accounts."""
        family = next(each for each, _ in self._families if each.group is Group.ACCOUNT)
        named = [sample for account in accounts for sample in family.samples(account)]
        self._names.append(_lines(family, named))

    def add(self, known: Knowledge, now: float) -> None:
        """Render a target that comes after all that are there."""
        row = self.rows[known.target] = _Row(len(self.rows), Knowledge(known.target))
        for column in self._columns.values():
            column.grow()
        self.render(row, known, now)

    def render(self, row: _Row, known: Knowledge, now: float) -> None:
        """Render what has changed of a target since it was last rendered."""
        state, answer = known.as_of(now, self.stale_after)
        changed, counts = set(), None
        if answer is not row.answer or not row.since <= now < row.crossing:
            changed.add(Group.ANSWER)
            if answer is not None and answer.enabled:
                counts = count_invitations(answer.invitations, self.options, now)
            row.crossing = counts.valid_until if counts else inf
        if known is not row.known or row.state is None:
            changed.add(Group.POLL)
            if _outcome(known) != _outcome(row.known):
                changed.add(Group.OUTCOME)
        view = TargetView(known, answer, counts)
        for column in self._columns.values():
            if column.family.group in changed:
                column.put(row.number, known.target, column.family.samples(view))
        if row.state is not state:
            self.states.subtract([] if row.state is None else [row.state])
            self.states[state] += 1
        stale = known.goes_stale(self.stale_after) if state is State.FAILING else inf
        row.known, row.state, row.answer, row.since = known, state, answer, now
        row.due = min(row.crossing, stale)
        self._as_of, self._next_edge = max(self._as_of, now), min(self._next_edge, row.due)

    def judge_by(self, stale_after: float) -> None:
        """Have every target looked at again: they grow stale after so many seconds now."""
        self.stale_after, self._next_edge = stale_after, -inf
        for row in self.rows.values():
            row.due = -inf

    def overdue(self, now: float) -> _Row | None:
        """Return a row that time has changed, if there is one still to be rendered."""
        if not self._as_of <= now < self._next_edge:
            rows = self.rows.values()
            self._overdue = [row for row in rows if not row.since <= now < row.due]
            self._next_edge = min([row.due for row in rows if row.due > now], default=inf)
            self._as_of = now
        return self._overdue.pop() if self._overdue else None

    def pieces(self) -> list[_Piece]:
        """Return all of the text, in the order of the table."""
        capped = [each for each in self._columns.values() if isinstance(each, _Capped)]
        dropped = {column.family.name: column.dropped for column in capped}
        found = []
        for family, header in self._families:
            found.append(header)
            if family.group in OF_TARGETS:
                found += self._columns[family.name].pieces
            elif family.group is Group.ACCOUNT:
                found += self._names
            else:
                found.append(_lines(family, family.samples(dropped)))
        return found


class _Column:
    """One family's lines of all targets."""

    def __init__(self, family: Family) -> None:
        self.family = family
        self.pieces: list[_Piece] = []
        self._lengths = array("I")
        own = [label for label in family.labels if label not in TARGET_LABELS]
        self._before = bisect_left(own, TARGET_LABELS[0])
        slots = [f'{label}="%s"' for label in own]
        slots.insert(self._before, ",".join(f'{label}="%s"' for label in TARGET_LABELS))
        self._template = f"{family.name}{{{','.join(slots)}}} %s\n"

    def grow(self) -> None:
        """Have one more target, without lines."""
        if len(self._lengths) % PIECE == 0:
            self.pieces.append(_EMPTY)
        self._lengths.append(0)

    def put(self, number: int, target: Target, samples: Iterable[Sample]) -> None:
        """Have the target of a number show these samples, instead of what it has shown."""
        template, before = self._template, self._before
        lines = [
            template % (*map(_escaped, (*own[:before], *target, *own[before:])), _number(value))
            for own, value in samples
        ]
        line = "".join(lines).encode()
        at = number // PIECE
        text = self.pieces[at].text
        start = sum(self._lengths[at * PIECE : number])
        end = start + self._lengths[number]
        if text[start:end] != line:
            self._lengths[number] = len(line)
            self.pieces[at] = _Piece(b"".join((text[:start], line, text[end:])))


_Entry = tuple[float, Target, tuple[str, ...], int]
"""A sample's value, its target, its own labels, and the target's number."""


class _Capped(_Column):
    """One family's lines of all targets, of which the greatest values are shown, up to a number.

    Values that are equal are told apart by their labels, so that the same ones are kept each time.
    """

    def __init__(self, family: Family, most: int) -> None:
        super().__init__(family)
        self._most = most
        self._ascending: list[_Entry] = []
        self._of: dict[int, list[_Entry]] = {}
        """Each target's by its number, in the order of their labels."""

    @property
    def dropped(self) -> int:
        """How many samples are left out."""
        return max(len(self._ascending) - self._most, 0)

    def put(self, number: int, target: Target, samples: Iterable[Sample]) -> None:
        """Have a target offer these samples; of the same labels the last one counts."""
        before, old = self._least(), self._of.pop(number, [])
        new = [(value, target, own, number) for own, value in sorted(dict(samples).items())]
        if new:
            self._of[number] = new
        for entry in {*old} - {*new}:
            del self._ascending[bisect_left(self._ascending, entry)]
        for entry in {*new} - {*old}:
            insort(self._ascending, entry)
        low, high = (bisect_left(self._ascending, one) for one in sorted((before, self._least())))
        crossed = self._ascending[low:high]
        for each in {(number, target), *((entry[3], entry[1]) for entry in crossed)}:
            self._show(*each)

    def _show(self, number: int, target: Target) -> None:
        least = self._least()
        kept = [(entry[2], entry[0]) for entry in self._of.get(number, ()) if entry >= least]
        super().put(number, target, kept)

    def _least(self) -> tuple[float] | _Entry:
        """The least entry that is shown, or less than any where all are."""
        full = len(self._ascending) >= self._most
        return self._ascending[-self._most] if full else (-inf,)


def _column(family: Family, most: float) -> _Column:
    return _Column(family) if most == inf else _Capped(family, int(most))


def _outcome(known: Knowledge) -> str | None:
    """The error code of the last poll, empty if it got an answer; None before the first."""
    if known.last is None:
        return None
    return known.failure.code if known.failure else ""


def _lines(family: Family, samples: Iterable[Sample]) -> _Piece:
    """Return samples whose labels are all of the family's."""
    text = []
    for values, value in samples:
        pairs = zip(family.labels, map(_escaped, values), strict=True)
        labels = ",".join(f'{label}="{shown}"' for label, shown in pairs)
        text.append(f"{family.name}{{{labels}}} " if labels else f"{family.name} ")
        text.append(f"{_number(value)}\n")
    return _Piece("".join(text).encode())


def _header(family: Family) -> bytes:
    return f"# HELP {family.name} {family.help}\n# TYPE {family.name} {family.kind}\n".encode()


def _number(value: float) -> str:
    return str(floatToGoString(value))  # type: ignore[no-untyped-call]


@lru_cache(maxsize=4096)
def _escaped(value: str) -> str:
    """Escape a label's value: backslash, newline and quote.

    A lone surrogate (JSON can carry one) has no UTF-8: it is written out as its escape, since one
    odd value must not cost the whole exposition.
    """
    if not value.isascii():
        value = value.encode(errors="backslashreplace").decode()
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _parts(items: Sequence[_T]) -> Iterator[Sequence[_T]]:
    """Return a sequence a few thousand at a time."""
    return (items[at : at + _PART] for at in range(0, len(items), _PART))
