"""The exposition: a target's lines are rendered when its poll lands, and a scrape gathers them.

All of it runs in one event loop, which nothing holds for much longer than `TURN`: whatever may
take longer lets the others have their turn. Nothing that a scrape has gathered changes any more, so
it is of one moment, however long it then takes to compress and to send. Knows no HTTP.
"""

import asyncio
import struct
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import chain
from math import inf
from typing import TypeVar

from exporter.exposition.columns import Capped, Piece, column_of, header, piece_of
from exporter.exposition.counts import Options, count_invitations
from exporter.exposition.families import (
    OF_TARGETS,
    Group,
    TargetView,
    families_of,
)
from exporter.model import Account, Answer, Target
from exporter.state import Snapshot, TargetRecord, TargetState

TURN = 0.01
"""Seconds of work after which the others of the loop have their turn."""

_PART = 2048
"""Of accounts or targets: so many are sorted in a few milliseconds."""

_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"
"""RFC 1952: deflate, no name, no time, fastest, no system."""

_T = TypeVar("_T")


class Exposition:
    """The text of all targets, always up to date but for what the passing of time changes."""

    def __init__(
        self,
        state: Snapshot,
        options: Options,
        stale_after: float,
        now: Callable[[], float],
        turn: float = TURN,
    ) -> None:
        """Show nothing yet. `now` gives Unix seconds, `stale_after` and `turn` are in seconds."""
        self._state, self._now, self._turn = state, now, turn
        self._options, self._stale_after = options, stale_after
        self._accounts: tuple[Account, ...] = ()
        self._shown = _Rendering(options, stale_after)
        self._coming: _Rendering | None = None
        self._settling, self._packing = asyncio.Lock(), asyncio.Lock()

    @property
    def states(self) -> Counter[TargetState]:
        """How many targets are in each state."""
        return self._shown.states

    @property
    def folded(self) -> int:
        """How many of the invitations that are shown have the status `other`."""
        return self._shown.folded

    def update(self, target: Target) -> None:
        """Render a target whose poll has landed; one that is not shown (yet) is left alone."""
        known, now = self._state.get(target), self._now()
        for rendering in (self._shown, self._coming):
            row = rendering.rows.get(target) if rendering else None
            if rendering and row and known:
                rendering.render(row, known, now)

    async def retain(self, accounts: tuple[Account, ...]) -> None:
        """Show exactly the targets of the state from now on, and name these accounts.

        What is gone goes at once. Where there are new targets, the others are shown as before, with
        the polls that land, until all is rendered anew.
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
        turn = _Turn(self._turn)
        while row := self._shown.overdue(self._now()):
            self._shown.render(row, row.known, self._now())
            if turn.over():
                await turn.next()

    async def text(self, tail: Callable[[], bytes] = bytes) -> list[bytes]:
        """Return the exposition as of now, in pieces; the last is `tail`, asked at that moment."""
        return [*(piece.text for piece in await self._gather()), tail()]

    async def gzip(self, tail: Callable[[], bytes] = bytes) -> list[bytes]:
        """Return the same as a gzip file, in pieces. Only text that changed is compressed anew.

        A file of one member: curl and browsers show only the first one. One scrape at a time: each
        holds the text of its moment until it is deflated, and finds the work of those before.
        """
        async with self._packing:
            return await self._packed(tail)

    async def _packed(self, tail: Callable[[], bytes]) -> list[bytes]:
        pieces, last, turn = await self._gather(), tail(), _Turn(self._turn)
        deflate = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
        checksum = 0
        for piece in pieces:
            if piece.deflated is None:
                # What follows a full flush refers to nothing before it: it may stand anywhere.
                deflated = deflate.compress(piece.text) + deflate.flush(zlib.Z_FULL_FLUSH)
                piece.deflated = deflated
            checksum = zlib.crc32(piece.text, checksum)
            if turn.over():
                await turn.next()
        size = sum(len(piece.text) for piece in pieces) + len(last)
        end = struct.pack("<LL", zlib.crc32(last, checksum), size & 0xFFFFFFFF)
        packed = [piece.deflated or b"" for piece in pieces]
        return [_GZIP_HEADER, *packed, deflate.compress(last) + deflate.flush(), end]

    async def _gather(self) -> list[Piece]:
        await self.catch_up()
        return self._shown.pieces()

    async def _settle(self) -> None:
        """Have what is shown be what is wanted: targets, accounts and options.

        What goes, goes at once. What is new needs a place in the order: all is rendered anew.
        """
        async with self._settling:
            targets = [known.target for known in self._state.all()]
            wanted, turn = set(targets), _Turn(self._turn)
            await turn.pause()
            for target in self._shown.rows.keys() - wanted:
                self._shown.remove(target)
                await turn.pause()
            await turn.pause()
            if self._shown.options != self._options or self._shown.rows.keys() != wanted:
                self._coming = _Rendering(self._options, self._stale_after)
                try:
                    await self._fill(self._coming, targets)
                    old, self._shown = self._shown, self._coming
                finally:
                    self._coming = None
                # To let go of 100,000 in one go takes 30 ms.
                while old.rows:
                    old.rows.popitem()
                    await turn.pause()
            await self._name(self._shown, self._accounts)

    async def _fill(self, coming: "_Rendering", targets: Sequence[Target]) -> None:
        turn, runs = _Turn(self._turn), []
        await self._name(coming, self._accounts)
        for part in _parts(targets):
            runs.append(sorted(part))
            await turn.pause()
        for target in merge(*runs):
            known = self._state.get(target)
            if known is not None:
                coming.add(known, self._now())
            await turn.pause()

    async def _name(self, rendering: "_Rendering", accounts: tuple[Account, ...]) -> None:
        if rendering.accounts != accounts:
            turn, names = _Turn(self._turn), []
            by_id = {account.id: account for account in accounts}
            for ids in _parts(sorted(by_id)):
                names.append(rendering.named([by_id[each] for each in ids]))
                await turn.pause()
            rendering.accounts, rendering.names = accounts, names


class _Turn:
    """A stretch of work in the loop. Once it is over, the others have their turn."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = time.monotonic() + seconds

    def over(self) -> bool:
        return time.monotonic() >= self._end

    async def pause(self) -> None:
        if self.over():
            await self.next()

    async def next(self) -> None:
        await asyncio.sleep(0)
        self._end = time.monotonic() + self._seconds


@dataclass(slots=True, eq=False)
class _Row:
    """A target's number in every column, and what its lines were made from."""

    number: int
    known: TargetRecord
    state: TargetState = TargetState.PENDING
    answer: Answer | None = None
    folded: int = 0
    since: float = inf
    """When it was last rendered, in Unix seconds."""
    crossing: float = inf
    """When the first invitation crosses an age edge."""
    due: float = inf
    """When it has to be rendered again, even if no poll changes it."""


class _Rendering:
    """All targets' lines by the same options. Grows a target at a time, in their order."""

    def __init__(self, options: Options, stale_after: float) -> None:
        self.options, self.stale_after = options, stale_after
        self.accounts: tuple[Account, ...] = ()
        self.names: list[Piece] = []
        self.rows: dict[Target, _Row] = {}
        self.states: Counter[TargetState] = Counter()
        self.folded = 0
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
        self._as_of, self._next_edge = -inf, inf
        """Between these times no row is overdue but for those that are known to be."""
        self._overdue: list[_Row] = []

    def named(self, accounts: Iterable[Account]) -> Piece:
        """Return the lines that name some accounts."""
        family = next(each for each, _ in self._families if each.group is Group.ACCOUNT)
        return piece_of(family, [each for one in accounts for each in family.samples(one)])

    def add(self, known: TargetRecord, now: float) -> None:
        """Render a target that comes after all that are there."""
        row = self.rows[known.target] = _Row(len(self.rows), TargetRecord(known.target))
        self.states[row.state] += 1
        for column in self._columns.values():
            column.grow()
        self.render(row, known, now)

    def render(self, row: _Row, known: TargetRecord, now: float) -> None:
        """Render what has changed of a target since it was last rendered."""
        state, answer = known.as_of(now, self.stale_after)
        changed: list[Group] = []
        counts = None
        if answer is not row.answer or not row.since <= now < row.crossing:
            changed.append(Group.ANSWER)
            if answer is not None and answer.enabled:
                counts = count_invitations(answer.invitations, self.options, now)
            row.crossing = counts.valid_until if counts else inf
            self.folded += (counts.folded if counts else 0) - row.folded
            row.folded = counts.folded if counts else 0
        if known is not row.known:
            changed.append(Group.POLL)
            if _outcome(known) != _outcome(row.known):
                changed.append(Group.OUTCOME)
        view = TargetView(known, answer, counts)
        for column in chain.from_iterable(self._by_group[group] for group in changed):
            column.put(row.number, known.target, column.family.samples(view))
        if row.state is not state:
            self.states[row.state] -= 1
            self.states[state] += 1
        stale = known.goes_stale(self.stale_after) if state is TargetState.FAILING else inf
        row.known, row.state, row.answer, row.since = known, state, answer, now
        row.due = min(row.crossing, stale)
        self._as_of, self._next_edge = max(self._as_of, now), min(self._next_edge, row.due)

    def remove(self, target: Target) -> None:
        """Leave a target out; none is to be added after that."""
        row = self.rows.pop(target)
        for column in self._columns.values():
            column.put(row.number, target, ())
        self.states[row.state] -= 1
        self.folded -= row.folded
        # It may be among those that are overdue: they are looked for once more.
        self._overdue, self._next_edge = [], -inf

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
            else:
                found.append(piece_of(family, family.samples(dropped)))
        return found


def _outcome(known: TargetRecord) -> str | None:
    """Return the error code of the last poll, empty if it got an answer; None before the first."""
    if known.last is None:
        return None
    return known.failure.code if known.failure else ""


def _parts(items: Sequence[_T]) -> Iterator[Sequence[_T]]:
    """Return a sequence a few thousand at a time."""
    return (items[at : at + _PART] for at in range(0, len(items), _PART))
