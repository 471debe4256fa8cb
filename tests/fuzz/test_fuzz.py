"""A few thousand cases of what `make fuzz` does with two hundred thousand, the same each time."""

import pytest

from tests.fuzz.engine import Target, run
from tests.fuzz.targets import TARGETS

CASES = 4000


@pytest.mark.timeout(300)
@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_nothing_breaks(target: Target) -> None:
    """Neither what once did, nor what is made of it."""
    # Not all the same: the mutations come through to what they are meant for.
    assert run(target, CASES * target.share // 1000, seed=5) > 5
