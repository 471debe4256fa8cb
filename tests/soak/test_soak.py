"""Half a minute of what `make soak` does in ten minutes."""

import pytest

from tests.soak.run import soak


@pytest.mark.timeout(400)
def test_half_a_minute() -> None:
    """Nothing grows, no poll is missed, and in the end the metrics are what AWS holds."""
    assert soak(30.0, seed=3).fewest > 0
