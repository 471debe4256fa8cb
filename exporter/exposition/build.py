"""What this exporter was built from."""

import platform
from importlib.resources import files
from importlib.resources.abc import Traversable

from exporter import __version__
from exporter.exposition.fleet import Build


def build(package: Traversable | None = None) -> Build:
    """Return version, revision and Python; an image's build writes REVISION into the package."""
    written = (package or files("exporter")) / "REVISION"
    revision = written.read_text().strip() if written.is_file() else ""
    return Build(__version__, revision or "unknown", platform.python_version())
