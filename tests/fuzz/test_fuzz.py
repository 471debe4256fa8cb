"""A few thousand cases of what `make fuzz` does with two hundred thousand, the same each time."""

from collections.abc import Hashable, Iterator
from contextlib import contextmanager

import pytest

from tests.fuzz.engine import Case, FindingError, Target, run
from tests.fuzz.targets import TARGETS

CASES = 4000


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", TARGETS)
def test_nothing_breaks(name: str) -> None:
    """Neither what once did, nor what is made of it."""
    target = TARGETS[name]
    report = run(target, CASES * target.share // 1000, seed=5)
    # Not all the same: the mutations come through to what they are meant for.
    assert report.outcomes > 5


def test_the_targets_share_the_cases() -> None:
    """A thousand of a thousand."""
    assert sum(target.share for target in TARGETS.values()) == 1000


def test_the_fuzzer_finds_what_there_is() -> None:
    """A word that has to be made from another, by bytes that each bring something new."""

    @contextmanager
    def opened() -> Iterator[Case]:
        def case(data: bytes) -> Hashable:
            depth = next((n for n in range(3) if data[n : n + 1] != b"bug"[n : n + 1]), 3)
            assert depth < 3
            return depth

        yield case

    with pytest.raises(FindingError, match="bug"):
        run(Target("words", 1, (b"dog",), (b"b", b"u"), opened), 50_000, seed=1)
