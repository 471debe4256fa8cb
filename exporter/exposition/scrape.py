"""The exposition: a target's lines are rendered when its poll lands, and a scrape gathers them.

All of it runs in one event loop, which nothing holds for much longer than `TURN`: whatever may
take longer lets the others have their turn. Nothing that a scrape has gathered changes any more, so
it is of one moment, however long it then takes to compress and to send. Knows no HTTP.
"""

import asyncio
import struct
from collections import Counter
from collections.abc import Callable, Sequence

from isal import isal_zlib

from exporter.background import TURN, Turn
from exporter.exposition.columns import PIECE, Piece
from exporter.exposition.counts import Options
from exporter.exposition.rendering import Rendering
from exporter.model import Account, Target
from exporter.state import Snapshot, TargetState

_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"
"""RFC 1952: deflate, no name, no time, fastest, no system."""


class Exposition:
    """The text of all targets, up to date but for what time changes, which a scrape renders."""

    def __init__(
        self,
        state: Snapshot,
        options: Options,
        stale_after: float,
        now: Callable[[], float],
        turn: float = TURN,
    ) -> None:
        """Show nothing yet. `now` gives Unix seconds, `stale_after` and `turn` are in seconds."""
        self._state, self._now = state, now
        self._turn = Turn(turn)
        self._shown = Rendering(options, stale_after)
        self._coming: Rendering | None = None
        self._settling, self._packing = asyncio.Lock(), asyncio.Lock()
        self._whole = asyncio.Lock()
        """Held while targets come and go: a scrape shows those of before, or of after."""

    @property
    def states(self) -> Counter[TargetState] | None:
        """How many targets are in each state; None while it is not known which there are."""
        return None if self._shown.accounts is None else self._shown.states

    def update(self, target: Target) -> None:
        """Render a target whose poll has landed; one that is not shown (yet) is left alone."""
        record, now = self._state.get(target), self._now()
        for rendering in (self._shown, self._coming):
            row = rendering.rows.get(target) if rendering else None
            if rendering and row and record:
                rendering.render(row, record, now)

    async def show(
        self, options: Options, stale_after: float, accounts: tuple[Account, ...] | None
    ) -> None:
        """Show exactly the targets of the state by these settings, and name these accounts.

        None: it is not known which there are. What is gone goes at once, all of it. Where the
        settings are others, the old text stays until the new is all there.
        """
        targets = [record.target for record in self._state.all()]
        async with self._settling:
            async with self._whole:
                await self._fill(self._shown, targets, accounts)
            if self._shown.by == (options, stale_after):
                return
            self._coming = Rendering(options, stale_after)
            try:
                await self._fill(self._coming, targets, accounts)
                async with self._whole:
                    old, self._shown = self._shown, self._coming
            finally:
                self._coming = None
            # To let go of 100,000 in one go takes 30 ms.
            while old.rows:
                old.rows.popitem()
                await self._turn.pause()

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
        pieces, last = await self._gather(), tail()
        deflate = isal_zlib.compressobj(1, isal_zlib.DEFLATED, -isal_zlib.MAX_WBITS)
        checksum = 0
        for piece in pieces:
            if piece.deflated is None:
                # What follows a full flush refers to nothing before it: it may stand anywhere.
                deflated = deflate.compress(piece.text) + deflate.flush(isal_zlib.Z_FULL_FLUSH)
                piece.deflated = deflated
            checksum = isal_zlib.crc32(piece.text, checksum)
            await self._turn.pause()
        size = sum(len(piece.text) for piece in pieces) + len(last)
        end = struct.pack("<LL", isal_zlib.crc32(last, checksum), size & 0xFFFFFFFF)
        packed = [piece.deflated or b"" for piece in pieces]
        return [_GZIP_HEADER, *packed, deflate.compress(last) + deflate.flush(), end]

    async def _gather(self) -> list[Piece]:
        """Return the text, with what time has changed: age edges, staleness, a clock set back."""
        async with self._whole:
            rendering, now = self._shown, self._now()
            overdue = [row for row in rendering.rows.values() if not row.since <= now < row.until]
            for row in overdue:
                rendering.render(row, row.record, self._now())
                await self._turn.pause()
            return rendering.pieces()

    async def _fill(
        self,
        rendering: Rendering,
        targets: Sequence[Target],
        accounts: tuple[Account, ...] | None,
    ) -> None:
        """Have a rendering hold these targets and accounts, and no others."""
        for target in rendering.rows.keys() - targets:
            rendering.remove(target)
            await self._turn.pause()
        for target in targets:
            record = self._state.get(target)
            if record is not None:
                rendering.add(record, self._now())
            await self._turn.pause()
        if rendering.accounts != accounts:
            names = []
            named = accounts or ()
            for at in range(0, len(named), PIECE):
                names.append(rendering.named(named[at : at + PIECE]))
                await self._turn.pause()
            rendering.accounts, rendering.names = accounts, names
