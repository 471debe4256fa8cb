"""What the exporter says it was built from."""

import platform
from pathlib import Path

from exporter import __version__
from exporter.exposition.build import Build, build


def test_a_checkout_has_no_revision() -> None:
    """Without the file that an image's build writes, the revision is unknown."""
    assert build() == Build(__version__, "unknown", platform.python_version())


def test_an_image_says_its_revision(tmp_path: Path) -> None:
    """The revision is what is written beside the code."""
    (tmp_path / "REVISION").write_text("abcdef0\n")
    assert build(tmp_path).revision == "abcdef0"
