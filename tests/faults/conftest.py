"""What the tests of faults share: an environment of their own, and clients of servers."""

from collections.abc import Iterator

import pytest

from tests.aws.conftest import aws_environment
from tests.aws.rig import Pauses, Stage, stage

__all__ = ["aws_environment"]


@pytest.fixture(scope="module")
def patient() -> Iterator[Stage]:
    """A stage whose clients try again, with pauses that take no time."""
    with stage(Pauses()) as made:
        yield made
