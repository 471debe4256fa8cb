"""A few thousand cases of what `make fuzz` does with two hundred thousand, the same each time."""

import pytest

from tests.fuzz.engine import run
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


@pytest.mark.parametrize("name", TARGETS)
def test_a_seed_tries_the_same_each_time(name: str) -> None:
    """What is found can be had again: nothing depends on how soon connections open and close."""
    first, second = (run(TARGETS[name], 150, seed=7) for _ in range(2))
    assert first.tried == second.tried
