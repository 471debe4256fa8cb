"""The documentation's tables are what the code says."""

from pathlib import Path

import pytest

from tools.reference import TABLES, written

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_tables_have_not_drifted(document: Path) -> None:
    """`make docs` would change nothing."""
    text = document.read_text()
    assert written(text) == text


def test_every_part_stands_somewhere() -> None:
    """None can be lost by an edit of the marks around it."""
    text = "".join(document.read_text() for document in DOCUMENTS)
    for name in TABLES:
        assert text.count(f"<!-- {name}: made by `make docs` -->\n\n") == 1
