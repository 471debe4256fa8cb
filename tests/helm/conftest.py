"""Fixtures of the chart's tests: the real helm, versions 3 (an early one) and 4."""

import os
from pathlib import Path

import pytest

from tests.conftest import unavailable

TOOLS = Path(__file__).parents[2] / "build" / "tools"


def require_tool(name: str) -> Path:
    """Return where a fetched program is; without it skip the test, under CI=true fail it."""
    if not os.access(TOOLS / name, os.X_OK):
        unavailable(f"there is no build/tools/{name}: run tests/helm/fetch-helm")
    return TOOLS / name


@pytest.fixture(scope="session")
def helm4() -> Path:
    """Helm 4."""
    return require_tool("helm4")


@pytest.fixture(scope="session", params=["helm3", "helm4"])
def helm(request: pytest.FixtureRequest) -> Path:
    """Either."""
    return require_tool(request.param)
