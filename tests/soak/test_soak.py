"""A minute of what `make soak` does in ten."""

import pytest

from tests.soak.run import soak


@pytest.mark.timeout(400)
def test_a_minute() -> None:
    """Nothing grows, no poll is missed, and in the end the metrics are what AWS holds."""
    report = soak(60.0, seed=3)
    assert report.reloads > 5
    assert report.scrapes > 50
    assert report.end.files > 0
