"""Fixtures that any test may ask for."""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import settings

from tests.processes import inherit_default_signals

# How long an example takes says something of the machine, and nothing of the code.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

inherit_default_signals()


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
