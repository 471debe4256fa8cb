"""Fixtures that any test may ask for."""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import settings

from tests.processes import inherit_default_signals

# How long an example takes says something of the machine, and nothing of the code. Half as many as
# Hypothesis has by itself: they are other ones each time, and what is dear has `make fuzz` besides.
settings.register_profile("untimed", deadline=None, max_examples=50)
settings.load_profile("untimed")

inherit_default_signals()

SLOW = (
    "image",
    "stack",
    "rules/test_rules.py",
    "faults",
    "test_fleet.py",
    "test_daemon.py",
    "browser",
    "helm",
    "grafana/test_data.py",
    "requirements",
    "docs/test_commands.py",
    "docs/test_configurations.py",
    "docs/test_site.py",
    "deploy",
    "examples",
    "web/test_exporter.py",
    "web/test_hostile.py",
    "web/test_secured.py",
    "exposition/test_incremental.py",
    "fuzz",
    "commands/test_doctor.py",
    "iam/test_iam.py",
    "commands/test_streams.py",
    "aws",
    "rules",
    "demo",
)
"""What starts processes or waits, the longest first: begun last, one of these would end last."""

ALONE = ("soak",)
"""What measures, and would measure the others too."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is slow, and begin with it; a file's tests share a worker, and its fixtures."""
    tests = Path(__file__).parent

    def rank(item: pytest.Item) -> int:
        return next(
            (at for at, each in enumerate(SLOW) if item.path.is_relative_to(tests / each)),
            len(SLOW),
        )

    for item in items:
        if rank(item) < len(SLOW):
            item.add_marker("slow")
        if any(item.path.is_relative_to(tests / each) for each in ALONE):
            item.add_marker("alone")
    items.sort(key=rank)


def require(program: str) -> Path:
    """Return where a system program is; without it skip the test, under CI=true fail it.

    What is asked for here is a row in tests/system-packages.
    """
    found = shutil.which(program)
    if found is None:
        unavailable(f"{program} is not installed: run tests/system-packages as root on Debian")
    return Path(found)


def unavailable(reason: str) -> NoReturn:
    """Skip the test for what is not here; under CI=true fail it."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def promtool() -> Path:
    """Prometheus' own checker of expositions, rules and configurations."""
    return require("promtool")


@pytest.fixture(scope="session")
def chromium() -> Path:
    """A browser of the system's: none is downloaded."""
    return require("chromium")
