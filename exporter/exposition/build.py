"""What this exporter was built from."""

import platform
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from exporter import __version__


@dataclass(frozen=True, slots=True)
class Build:
    """What this exporter was built from."""

    version: str
    revision: str
    python_version: str


def build(package: Traversable | None = None) -> Build:
    """Return version, revision and Python; an image's build writes REVISION into the package."""
    written = (package or files("exporter")) / "REVISION"
    revision = written.read_text().strip() if written.is_file() else ""
    return Build(__version__, revision or "unknown", platform.python_version())
