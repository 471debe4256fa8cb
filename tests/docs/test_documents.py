"""What documents say is so: what they name exists, links lead somewhere, tables are the code's."""

import re
from pathlib import Path

import pytest
import yaml

from exporter.exposition.families import METRICS
from exporter.settings.keys import KEYS
from tests.docs.documents import CHART, DOCUMENTS, REPOSITORY, ROOT, Block, anchors, blocks, prose
from tests.promql import complaints
from tests.rules.rulefile import RECORDED, alerts
from tools.reference import TABLES, written

RAW = REPOSITORY.replace("github.com", "raw.githubusercontent.com")
HISTOGRAMS = {family.name for family in METRICS if family.kind == "histogram"}
SETTINGS = {".".join(key) for key in KEYS}
SECTIONS = "|".join(sorted({key.partition(".")[0] for key in SETTINGS} - {"config"}))


def of(*documents: Path) -> pytest.MarkDecorator:
    """Run a test for each of some documents."""
    ids = [str(each.relative_to(ROOT)) for each in documents]
    return pytest.mark.parametrize("document", documents, ids=ids)


@pytest.mark.parametrize("block", blocks("promql"), ids=str)
def test_queries(block: Block) -> None:
    """Each parses and names series and labels that exist."""
    assert complaints(block.text, RECORDED) == []


@of(*DOCUMENTS)
def test_what_stands_in_code_marks_exists(document: Path) -> None:
    """Metrics, which are queries with labels or a comparison; keys of the configuration; alerts."""
    text = prose(document)
    named = re.findall(r"`(macie_\w+(?:\{[^`]*\}|(?: [=<>]=? \d+))?)`", text)
    assert [each for name in named if name not in HISTOGRAMS for each in complaints(name)] == []
    named = re.findall(rf"`((?:{SECTIONS})\.[a-z_.]+)(?=[`: =])", text)
    assert sorted({*named} - SETTINGS) == []
    assert sorted({*re.findall(r"`(Macie[A-Z]\w+)`", text)} - {*alerts()}) == []


@of(*DOCUMENTS, CHART / "Chart.yaml")
def test_links_lead_somewhere(document: Path) -> None:
    """To files, the project's own addresses too; what stands behind # is one of their headings."""
    relative = re.findall(r"\]\((?!\w+://)([^)\s#]*)(#[^)\s]+)?\)", prose(document))
    own = rf"(?:{REPOSITORY}/(?:blob|tree)|{RAW})/main/?([^\s)#>]*)(#[\w-]+)?"
    linked = [(document.parent / path if path else document, anchor) for path, anchor in relative]
    linked += [(ROOT / path, anchor) for path, anchor in re.findall(own, document.read_text())]
    missing = [
        f"{path}{anchor}"
        for path, anchor in linked
        if not path.exists()
        or (anchor and path.suffix == ".md" and anchor[1:] not in anchors(path))
    ]
    assert missing == []
    assert linked or document.name != "README.md"


@of(*(each for each in DOCUMENTS if each.parent != CHART))
def test_tables_have_not_drifted(document: Path) -> None:
    """`make docs` would change nothing."""
    assert written(document.read_text()) == document.read_text()


def test_every_table_stands_somewhere() -> None:
    """None can be lost by an edit of the marks around it."""
    text = "".join(document.read_text() for document in DOCUMENTS)
    for name in TABLES:
        assert text.count(f"<!-- {name}: made by `make docs` -->\n\n") == 1


def test_hooks_run_what_lint_runs() -> None:
    """Git checks each commit as `make lint` does: by the locked programs, and the locks by make."""
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe
    linted = set(re.findall(r"\$\(BIN\)/([\w-]+)", recipe[1]))
    (repo,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    entries = " ".join(hook["entry"] for hook in repo["hooks"])
    assert set(re.findall(r"\.venv/bin/([\w-]+)", entries)) == linted - {"pre-commit"}
    assert "make check-lock" in entries
