"""A small fuzzer: mutates a corpus, and keeps what brings about something that was not seen before.

Not atheris, which has no wheel for every Python that the exporter runs on.
"""

import hashlib
import random
import time
from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

Case = Callable[[bytes], Hashable]
"""Tries some bytes; gives what came about, in few words, and raises where that must not be."""

FOUND = Path(__file__).parent / "found"
"""What once broke something, by target: tried first, for ever."""

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


@dataclass(frozen=True, slots=True)
class Report:
    """How a run went."""

    cases: int
    outcomes: int
    seconds: float


class FindingError(Exception):
    """Bytes that broke something."""

    def __init__(self, target: Target, data: bytes) -> None:
        self.data, self.name = data, hashlib.blake2b(data, digest_size=6).hexdigest()
        super().__init__(f"{target.name}, kept as found/{target.name}/{self.name}: {data!r}")


def run(target: Target, cases: int, seed: int) -> Report:
    """Try the corpus, what was found before, and so many mutations. Raises FindingError."""
    rng = random.Random(seed)
    pool = [*target.corpus, *found(target)]
    seen: set[Hashable] = set()
    started = time.monotonic()
    with target.opened() as case:
        for data in pool:
            seen.add(_tried(target, case, data))
        for _ in range(cases):
            data = mutated(rng, pool, target.words)
            outcome = _tried(target, case, data)
            if outcome not in seen:
                seen.add(outcome)
                if len(pool) < _MOST_KEPT:
                    pool.append(data)
    return Report(cases, len(seen), time.monotonic() - started)


def found(target: Target) -> list[bytes]:
    """Return what was found before."""
    return [path.read_bytes() for path in sorted((FOUND / target.name).glob("*"))]


def _tried(target: Target, case: Case, data: bytes) -> Hashable:
    try:
        return case(data)
    except Exception as error:
        raise FindingError(target, data) from error


def mutated(rng: random.Random, pool: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    """Change one of the pool in some places, more rarely in many."""
    data = bytearray(rng.choice(pool))
    while True:
        rng.choice(_MUTATIONS)(rng, data, pool, words)
        if rng.random() < 0.4:
            return bytes(data[:_LONGEST])


_Mutation = Callable[[random.Random, bytearray, Sequence[bytes], Sequence[bytes]], None]


def _flip(rng: random.Random, data: bytearray, *_: object) -> None:
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _put(rng: random.Random, data: bytearray, *_: object) -> None:
    at = rng.randint(0, len(data))
    data[at:at] = rng.randbytes(rng.randint(1, 4))


def _cut(rng: random.Random, data: bytearray, *_: object) -> None:
    at = rng.randint(0, len(data))
    del data[at : at + rng.choice((1, 1, 2, 4, 16, 64))]


def _end(rng: random.Random, data: bytearray, *_: object) -> None:
    del data[rng.randint(0, len(data)) :]


def _repeat(rng: random.Random, data: bytearray, *_: object) -> None:
    at, size = rng.randint(0, len(data)), rng.choice((1, 4, 16, 64))
    data[at:at] = data[at : at + size] * rng.choice((1, 2, 50))


def _word(rng: random.Random, data: bytearray, _: Sequence[bytes], words: Sequence[bytes]) -> None:
    at = rng.randint(0, len(data))
    data[at : at + rng.choice((0, 0, 1, 4))] = rng.choice((*words, *_NUMBERS))


def _splice(rng: random.Random, data: bytearray, pool: Sequence[bytes], *_: object) -> None:
    other = rng.choice(pool)
    at, start = rng.randint(0, len(data)), rng.randint(0, len(other))
    data[at:] = other[start:]


_MUTATIONS: Sequence[_Mutation] = (_flip, _flip, _put, _cut, _end, _repeat, _word, _word, _splice)
