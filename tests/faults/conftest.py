"""What the tests of faults share: an environment of their own, and clients of servers."""

import contextlib
from collections.abc import Iterator

import pytest

from exporter.model import AwsError
from tests.aws.conftest import aws_environment
from tests.aws.rig import Stage, stage

__all__ = ["aws_environment"]


@pytest.fixture(scope="module")
def patient() -> Iterator[Stage]:
    """A stage whose clients try again, with pauses that take no time."""
    with stage() as made:
        # A client learns its endpoint when it is made: while the stage's environment is there.
        with contextlib.suppress(AwsError):
            made.rig.run(made.rig.credentials.who_am_i())
        yield made
