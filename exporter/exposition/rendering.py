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
from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from exporter.exposition.columns import (
    PIECE,
    Capped,
    Column,
    Piece,
    column_of,
    header,
    labels_of,
    piece_of,
)
from exporter.exposition.counts import Options, count_invitations
from exporter.exposition.families import OF_TARGETS, Group, TargetView, families_of
from exporter.model import Account, Answer, Target
from exporter.state import Snapshot, TargetRecord, TargetState

TURN = 0.01
"""Seconds of work after which the others of the loop have their turn."""

_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"
"""RFC 1952: deflate, no name, no time, fastest, no system."""


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
        self._by = (options, stale_after)
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
        record, now = self._state.get(target), self._now()
        for rendering in (self._shown, self._coming):
            row = rendering.rows.get(target) if rendering else None
            if rendering and row and record:
                rendering.render(row, record, now)

    async def retain(self, accounts: tuple[Account, ...]) -> None:
        """Show exactly the targets of the state from now on, and name these accounts.

        What is gone goes at once.
        """
        self._accounts = accounts
        await self._settle()

    async def reconfigure(self, options: Options, stale_after: float) -> None:
        """Show it by these settings from now on. The old stays until the new is all there."""
        self._by = (options, stale_after)
        await self._settle()

    async def catch_up(self) -> None:
        """Render what time has changed: age edges and staleness, or a clock that was set back.

        A scrape does it as well; called every second there is little left for that to do.
        """
        rendering, turn, now = self._shown, _Turn(self._turn), self._now()
        overdue = [row for row in rendering.rows.values() if not row.since <= now < row.until]
        for row in overdue:
            if rendering.rows.get(row.record.target) is row:
                rendering.render(row, row.record, self._now())
            await turn.pause()

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
        """Have what is shown be what is wanted: targets, accounts and settings."""
        async with self._settling:
            await self._fill(self._shown)
            if self._shown.by == self._by:
                return
            self._coming = _Rendering(*self._by)
            try:
                await self._fill(self._coming)
                old, self._shown = self._shown, self._coming
            finally:
                self._coming = None
            # To let go of 100,000 in one go takes 30 ms.
            turn = _Turn(self._turn)
            while old.rows:
                old.rows.popitem()
                await turn.pause()

    async def _fill(self, rendering: "_Rendering") -> None:
        """Have a rendering hold the targets of the state and the accounts, and no others."""
        turn, targets = _Turn(self._turn), [record.target for record in self._state.all()]
        gone = rendering.rows.keys() - targets
        for target in gone:
            rendering.remove(target)
            await turn.pause()
        for target in targets:
            record = self._state.get(target)
            if record is not None and target not in rendering.rows:
                rendering.add(record, self._now())
            await turn.pause()
        accounts, names = self._accounts, []
        if rendering.accounts != accounts:
            for at in range(0, len(accounts), PIECE):
                names.append(rendering.named(accounts[at : at + PIECE]))
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
    record: TargetRecord
    state: TargetState = TargetState.PENDING
    answer: Answer | None = None
    folded: int = 0
    since: float = inf
    until: float = inf
    """Between these times, in Unix seconds, only a poll changes its lines."""


class _Rendering:
    """All targets' lines by the same settings."""

    def __init__(self, options: Options, stale_after: float) -> None:
        self.by = (options, stale_after)
        self.accounts: tuple[Account, ...] = ()
        self.names: list[Piece] = []
        self.rows: dict[Target, _Row] = {}
        self.states: Counter[TargetState] = Counter()
        self.folded = 0
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
        """Render a target that is not there yet."""
        if not self._free:
            self._free.append(len(self.rows))
            for column in self._columns.values():
                column.grow()
        row = self.rows[record.target] = _Row(self._free.pop(), TargetRecord(record.target))
        self.states[row.state] += 1
        self.render(row, record, now)

    def render(self, row: _Row, record: TargetRecord, now: float) -> None:
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
            self._fold(row, counts.folded if counts else 0)
        if record is not row.record:
            changed += self._by_group[Group.POLL]
            if _outcome(record) != _outcome(row.record):
                changed += self._by_group[Group.OUTCOME]
        view, labels = TargetView(record, answer, counts), labels_of(record.target)
        for column in changed:
            column.put(row.number, labels, column.family.samples(view))
        if row.state is not state:
            self.states[row.state] -= 1
            self.states[state] += 1
        stale = record.goes_stale(stale_after) if state is TargetState.FAILING else inf
        row.record, row.state, row.answer = record, state, answer
        row.since, row.until = now, min(until, stale)

    def remove(self, target: Target) -> None:
        """Leave a target out."""
        row = self.rows.pop(target)
        self._free.append(row.number)
        for column in self._columns.values():
            column.put(row.number, labels_of(target), ())
        self.states[row.state] -= 1
        self._fold(row, 0)

    def _fold(self, row: _Row, folded: int) -> None:
        self.folded += folded - row.folded
        row.folded = folded

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


def _outcome(record: TargetRecord) -> str | None:
    """Return the error code of the last poll, empty if it got an answer; None before the first."""
    if record.last is None:
        return None
    return record.failure.code if record.failure else ""
