"""One family's text of all targets, kept in blocks: only blocks that changed are made anew.

A row is a target, a cell is its lines of the family. Blocks are the only copy of the text.
"""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

from exporter.exposition.family import Family, TargetView
from exporter.exposition.packing import Piece, join, pack
from exporter.exposition.text import Numbers, header, label_value, number

BLOCK = 1024
"""Rows of a block: large enough to compress well, small enough that one change costs little."""


class _Block:
    """The text of some rows, and how long each one's is."""

    __slots__ = ("_packed", "lengths", "text")

    def __init__(self, cells: Sequence[bytes]) -> None:
        self.text = b"".join(cells)
        self.lengths = array("I", map(len, cells))
        self._packed: Piece | None = None

    def cells(self) -> Iterator[bytes]:
        start = 0
        for length in self.lengths:
            yield self.text[start : start + length]
            start += length

    def replace(self, cells: Mapping[int, bytes]) -> bool:
        """Put other cells in; tell whether that changed the text."""
        if len(cells) == len(self.lengths):
            parts = [cells[row] for row in range(len(cells))]
            self.lengths = array("I", map(len, parts))
        else:
            parts = self._spliced(cells)
        text = b"".join(parts)
        if text == self.text:
            return False
        self.text, self._packed = text, None
        return True

    def _spliced(self, cells: Mapping[int, bytes]) -> list[bytes]:
        """Cut the old text around the new cells: what stays is copied in whole runs."""
        ends = (0, *accumulate(self.lengths))
        parts: list[bytes] = []
        done = 0
        for row in sorted(cells):
            parts += (self.text[done : ends[row]], cells[row])
            done = ends[row + 1]
            self.lengths[row] = len(cells[row])
        return [*parts, self.text[done:]]

    def packed(self) -> Piece:
        if self._packed is None:
            self._packed = pack(self.text)
        return self._packed


class Column:
    """One family's cells, one for each row; empty until rendered."""

    def __init__(self, family: Family) -> None:
        """Start without rows."""
        own = [label for label in family.labels if not label.startswith("aws_")]
        self._before = sum(label < "aws_" for label in own)
        slots = [f'{label}="%s"' for label in own]
        slots.insert(self._before, "%s")
        self._template = f"{family.name}{{{','.join(slots)}}} %s\n"
        self._plain = not own
        self._start = f"{family.name}{{"
        self._samples = family.samples
        self.group = family.group
        self._header = header(family.name, family.kind, family.help)
        self._packed_header = pack(self._header)
        self._blocks: list[_Block] = []
        self._fresh: dict[int, bytes] = {}
        self._packed: Piece | None = None

    def render(self, rows: Sequence[tuple[int, str, TargetView]], numbers: Numbers) -> None:
        """Render the cells of some rows, each given as its number, its target's labels, its view.

        The labels come ready to stand between the braces. `numbers` has what other columns wrote.
        """
        if self._plain:
            self._render_plain(rows, numbers)
        else:
            for row, labels, view in rows:
                self._fresh[row] = self._cell(labels, view)

    def _render_plain(self, rows: Sequence[tuple[int, str, TargetView]], numbers: Numbers) -> None:
        """Render a family without labels of its own: the hot path, all that most polls move."""
        start, samples, fresh = self._start, self._samples, self._fresh
        for row, labels, view in rows:
            found = samples(view)
            if found:
                value = found[0][1]
                shown = numbers[value] if value > 0 else number(value)
                fresh[row] = f"{start}{labels}}} {shown}\n".encode()
            else:
                fresh[row] = b""

    def _cell(self, labels: str, view: TargetView) -> bytes:
        template, before = self._template, self._before
        return "".join(
            [
                template
                % (
                    *map(label_value, values[:before]),
                    labels,
                    *map(label_value, values[before:]),
                    number(value),
                )
                for values, value in self._samples(view)
            ]
        ).encode()

    def arrange(self, kept: Sequence[int | None]) -> None:
        """Have these rows from now on: each the one of that number so far, or a new one."""
        self._settle()
        old = [cell for block in self._blocks for cell in block.cells()]
        cells = [b"" if row is None else old[row] for row in kept]
        self._blocks = [_Block(cells[at : at + BLOCK]) for at in range(0, len(cells), BLOCK)]
        self._packed = None

    def text(self) -> list[bytes]:
        """Give the column as pieces of text."""
        self._settle()
        return [self._header, *(block.text for block in self._blocks)]

    def packed(self) -> Piece:
        """Give the column compressed; only blocks that changed are compressed again."""
        self._settle()
        if self._packed is None:
            self._packed = join((self._packed_header, *(block.packed() for block in self._blocks)))
        return self._packed

    def _settle(self) -> None:
        """Put what was rendered since the last time into its blocks."""
        by_block: dict[int, dict[int, bytes]] = {}
        for row, cell in self._fresh.items():
            by_block.setdefault(row // BLOCK, {})[row % BLOCK] = cell
        self._fresh = {}
        for number_, cells in by_block.items():
            if self._blocks[number_].replace(cells):
                self._packed = None
