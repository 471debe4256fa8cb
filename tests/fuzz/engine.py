"""A small fuzzer: mutates a corpus, and keeps what brings about something that was not seen before.

Not atheris, which has no wheel for every Python that the exporter runs on; nor Hypothesis, which
takes three times as long and finds less, since it does not look at what comes about.
"""

import ast
import hashlib
import random
from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

Case = Callable[[bytes], Hashable]
"""Tries some bytes; gives what came about, in few words, and raises where that must not be.

The same bytes must always give the same: what is tried next depends on it.
"""

_MOST_KEPT = 2000
_LONGEST = 8192
_NUMBERS = (b"0", b"-1", b"1e400", b"9" * 40, b"2147483648", b"0x10", b"00", b"NaN", b"1.5")


@dataclass(frozen=True, slots=True)
class Target:
    """Something that takes bytes from outside."""

    name: str
    share: int
    """Of a thousand cases, how many."""
    corpus: Sequence[bytes]
    words: Sequence[bytes]
    """What means something to it."""
    opened: Callable[[], AbstractContextManager[Case]]

    @property
    def found(self) -> Path:
        """Where that is which once broke it: tried first, for ever."""
        return Path(__file__).parent / "found" / self.name


class FindingError(Exception):
    """Bytes that broke something."""


def run(target: Target, cases: int, seed: int) -> int:
    """Try the corpus, what was found before, and so many mutations.

    Returns how many different things came about. Raises FindingError.
    """
    rng = random.Random(seed)
    pool = [*target.corpus, *(path.read_bytes() for path in sorted(target.found.glob("*")))]
    with target.opened() as case:
        seen = {_outcome(target, case, data) for data in pool}
        for _ in range(cases):
            data = mutated(rng, pool, target.words)
            outcome = _outcome(target, case, data)
            if outcome not in seen and len(pool) < _MOST_KEPT:
                pool.append(data)
            seen.add(outcome)
    return len(seen)


def _outcome(target: Target, case: Case, data: bytes) -> Hashable:
    """Try some bytes; keep them if they break something."""
    try:
        return case(data)
    except Exception as error:
        target.found.mkdir(exist_ok=True)
        kept = target.found / hashlib.blake2b(data, digest_size=6).hexdigest()
        kept.write_bytes(data)
        raise FindingError(f"{target.name}, kept as {kept}: {data!r}") from error


def dictionary(*names: str) -> Sequence[bytes]:
    """Return words from files: one a line, spelled as in Python."""
    folder = Path(__file__).parent / "dictionaries"
    lines = "".join((folder / f"{name}.dict").read_text() for name in names).splitlines()
    return [ast.literal_eval(f"b{line}") for line in lines]


def mutated(rng: random.Random, pool: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    """Change one of the pool in some places, more rarely in many."""
    data = rng.choice(pool)
    while True:
        at = rng.randint(0, len(data))
        head, tail = data[:at], data[at:]
        match rng.choice(("flip", "flip", "put", "cut", "end", "repeat", "word", "word", "splice")):
            case "flip":
                tail = bytes(byte ^ 1 << rng.randrange(8) for byte in tail[:1]) + tail[1:]
            case "put":
                tail = rng.randbytes(rng.randint(1, 4)) + tail
            case "cut":
                tail = tail[rng.choice((1, 1, 2, 4, 16, 64)) :]
            case "end":
                tail = b""
            case "repeat":
                tail = tail[: rng.choice((1, 4, 16, 64))] * rng.choice((1, 2, 50)) + tail
            case "word":
                tail = rng.choice((*words, *_NUMBERS)) + tail[rng.choice((0, 0, 1, 4)) :]
            case "splice":
                other = rng.choice(pool)
                tail = other[rng.randint(0, len(other)) :]
        data = (head + tail)[:_LONGEST]
        if rng.random() < 0.4:
            return data
