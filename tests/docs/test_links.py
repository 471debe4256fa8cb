"""Links lead somewhere: to files, to their headings, to what is in the repository."""

import re
from pathlib import Path

import pytest

from tests.docs.documents import CHART, DOCUMENTS, REPOSITORY, ROOT, anchors, prose

RAW = REPOSITORY.replace("github.com", "raw.githubusercontent.com")


def _links(document: Path) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", prose(document))


def _missing(document: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (document.parent / path) if path else document
    if not target.exists():
        return True
    return bool(anchor) and anchor not in anchors(target)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_within(document: Path) -> None:
    """Relative links are files, and what stands behind # is one of their headings."""
    inside = [link for link in _links(document) if "://" not in link]
    assert [link for link in inside if _missing(document, link)] == []


@pytest.mark.parametrize(
    "document", [*DOCUMENTS, CHART / "Chart.yaml"], ids=lambda path: str(path.relative_to(ROOT))
)
def test_links_to_the_repository(document: Path) -> None:
    """Addresses of the project's own files are those of files that there are."""
    addresses = re.findall(
        rf"(?:{REPOSITORY}/(?:blob|tree)|{RAW})/main/?([^\s)#>]*)(#[\w-]+)?", document.read_text()
    )
    missing = [
        path + anchor
        for path, anchor in addresses
        if not (ROOT / path).exists()
        or (anchor and path.endswith(".md") and anchor[1:] not in anchors(ROOT / path))
    ]
    assert missing == []


def test_links_are_found() -> None:
    """That nothing is missing is not for want of links."""
    assert len(_links(ROOT / "README.md")) > 20
    assert "targets-dark.png" in (CHART / "Chart.yaml").read_text()
