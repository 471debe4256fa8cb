"""What this exporter was built from."""

import platform
from importlib.resources import files

from exporter import __version__
from exporter.exposition.table import Build


def build() -> Build:
    """Give version, revision and Python; an image's build writes the revision beside the code."""
    written = files("exporter") / "REVISION"
    revision = written.read_text().strip() if written.is_file() else ""
    return Build(__version__, revision or "unknown", platform.python_version())
