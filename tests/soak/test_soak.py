"""Two minutes of what `make soak` does in ten."""

import pytest

from tests.soak.run import soak


@pytest.mark.timeout(400)
def test_two_minutes() -> None:
    """Nothing grows, no poll is missed, and in the end the metrics are what AWS holds."""
    report = soak(120.0, seed=3)
    assert report.reloads > 10
    assert report.scrapes > 100
    assert report.end.files > 0
