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
