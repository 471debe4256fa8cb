"""The text of each family, kept in pieces of a few targets: written once, gathered as it is.

A piece is never changed, only replaced, so that whoever holds some has the text of one moment. The
line format: https://prometheus.io/docs/instrumenting/exposition_formats/; OpenMetrics writes gauges
alike.
"""

from array import array
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from math import inf

from prometheus_client.utils import floatToGoString

from exporter.exposition.families import TARGET_LABELS, Family
from exporter.exposition.samples import Sample
from exporter.model import Target

PIECE = 64
"""Targets of a piece: few enough that to replace one's lines takes microseconds and that little is
compressed anew, and enough that a scrape gathers and compresses well."""


class Piece:
    """Some of a family's text, and the same deflated once a scrape has wanted that."""

    __slots__ = ("deflated", "text")

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.deflated: bytes | None = None if text else b""


_EMPTY = Piece(b"")


class Column:
    """One family's lines of all targets, each of which has a number."""

    def __init__(self, family: Family) -> None:
        self.family = family
        self.pieces: list[Piece] = []
        self._lengths = array("I")
        self._around = lru_cache(maxsize=4096)(partial(_around, family))

    def grow(self) -> None:
        """Have one more target, without lines."""
        if len(self._lengths) % PIECE == 0:
            self.pieces.append(_EMPTY)
        self._lengths.append(0)

    def put(self, number: int, labels: str, samples: Iterable[Sample]) -> None:
        """Have the target of a number, with these labels, show these samples from now on."""
        line = _lines(self._around, labels, samples)
        at = number // PIECE
        text = self.pieces[at].text
        start = sum(self._lengths[at * PIECE : number])
        end = start + self._lengths[number]
        if text[start:end] != line:
            self._lengths[number] = len(line)
            # Copied once: with `zero_fill: all` a piece has 400 kB, and each copy is new memory.
            whole = memoryview(text)
            self.pieces[at] = Piece(b"".join((whole[:start], line, whole[end:])))


_Entry = tuple[float, str, tuple[str, ...], int]
"""A sample's value, its target's labels, its own, and the target's number."""


class Capped(Column):
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

    def put(self, number: int, labels: str, samples: Iterable[Sample]) -> None:
        """Have a target offer these samples; of the same labels the last one counts."""
        before, old = self._least(), self._of.pop(number, [])
        new = [(value, labels, own, number) for own, value in sorted(dict(samples).items())]
        if new:
            self._of[number] = new
        for entry in {*old} - {*new}:
            del self._ascending[bisect_left(self._ascending, entry)]
        for entry in {*new} - {*old}:
            insort(self._ascending, entry)
        low, high = (bisect_left(self._ascending, one) for one in sorted((before, self._least())))
        crossed = self._ascending[low:high]
        for each in {(number, labels), *((entry[3], entry[1]) for entry in crossed)}:
            self._show(*each)

    def _show(self, number: int, labels: str) -> None:
        least = self._least()
        kept = [(entry[2], entry[0]) for entry in self._of.get(number, ()) if entry >= least]
        super().put(number, labels, kept)

    def _least(self) -> tuple[float] | _Entry:
        """Return the least entry that is shown, or less than any where all are."""
        full = len(self._ascending) >= self._most
        return self._ascending[-self._most] if full else (-inf,)


def column_of(family: Family, most: float) -> Column:
    """Return a column that shows so many samples at the most."""
    return Column(family) if most == inf else Capped(family, int(most))


def labels_of(target: Target) -> str:
    """Return a target's labels as all its lines have them."""
    account, region = map(_escaped, target)
    return f'{TARGET_LABELS[0]}="{account}",{TARGET_LABELS[1]}="{region}"'


def piece_of(family: Family, samples: Iterable[Sample]) -> Piece:
    """Return the lines of samples of a family that is not about targets."""
    return Piece(_lines(partial(_around, family), "", samples))


def header(family: Family) -> Piece:
    """Return the lines that say what a family means."""
    name = family.name
    return Piece(f"# HELP {name} {family.help}\n# TYPE {name} {family.kind}\n".encode())


def _lines(
    around: Callable[[tuple[str, ...]], tuple[str, str]], labels: str, samples: Iterable[Sample]
) -> bytes:
    lines = []
    for own, value in samples:
        before, behind = around(own)
        lines.append(f"{before}{labels}{behind}{_number(value)}\n")
    return "".join(lines).encode()


def _around(family: Family, own: tuple[str, ...]) -> tuple[str, str]:
    """Return what stands before the labels of the target, and behind them up to the value.

    Labels are in the order of their names. A sample without any has no braces.
    """
    is_of_target = {*TARGET_LABELS} <= {*family.labels}
    names = [each for each in family.labels if not (is_of_target and each in TARGET_LABELS)]
    pairs = [f'{name}="{_escaped(value)}"' for name, value in zip(names, own, strict=True)]
    if not is_of_target:
        return (f"{family.name}{{{','.join(pairs)}}} " if pairs else f"{family.name} "), ""
    at = bisect_left(names, TARGET_LABELS[0])
    before = "".join(f"{pair}," for pair in pairs[:at])
    behind = "".join(f",{pair}" for pair in pairs[at:])
    return f"{family.name}{{{before}", f"{behind}}} "


# As the client library writes them; most are zeros, ones, or the time of one poll in two families.
_number: Callable[[float], str] = lru_cache(maxsize=64)(floatToGoString)


@lru_cache(maxsize=4096)
def _escaped(value: str) -> str:
    """Escape a label's value: backslash, newline and quote.

    A lone surrogate (JSON can carry one) has no UTF-8: it is written out as its escape, since one
    odd value must not cost the whole exposition.
    """
    if not value.isascii():
        value = value.encode(errors="backslashreplace").decode()
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
