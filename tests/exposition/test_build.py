"""What the exporter says it was built from."""

import platform
from pathlib import Path

from exporter import __version__
from exporter.exposition.fleet import Build, build


def test_an_image_says_its_revision(tmp_path: Path) -> None:
    """By the file that its build writes beside the code; a checkout has none."""
    assert build() == Build(__version__, "unknown", platform.python_version())
    (tmp_path / "REVISION").write_text("abcdef0\n")
    assert build(tmp_path).revision == "abcdef0"
