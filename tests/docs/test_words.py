"""What the documents name exists: metrics, settings, events, queries."""

import re
from pathlib import Path

import pytest

from exporter.exposition.families import METRICS
from exporter.settings.keys import KEYS
from tests.docs.documents import DOCUMENTS, ROOT, Block, blocks, prose
from tests.promql import complaints
from tests.rules.rulefile import RECORDED, alerts

IDS = [str(document.relative_to(ROOT)) for document in DOCUMENTS]


@pytest.mark.parametrize("block", blocks("promql"), ids=str)
def test_queries(block: Block) -> None:
    """Each parses and names series and labels that exist."""
    assert complaints(block.text, RECORDED) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)
def test_metrics(document: Path) -> None:
    """Metrics in code marks are exposed; with labels or a comparison they are queries."""
    named = re.findall(r"`(macie_\w+(?:\{[^`]*\}|(?: [=<>]=? \d+))?)`", prose(document))
    histograms = {family.name for family in METRICS if family.kind == "histogram"}
    asked = [name for name in named if name not in histograms]
    assert [each for name in asked for each in complaints(name)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)
def test_settings(document: Path) -> None:
    """Settings in code marks are keys of the configuration."""
    keys = {".".join(key) for key in KEYS}
    groups = "|".join(sorted({key.partition(".")[0] for key in keys} - {"config"}))
    named = re.findall(rf"`((?:{groups})\.[a-z_.]+)(?=[`: =])", prose(document))
    assert sorted({*named} - keys) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)
def test_alerts(document: Path) -> None:
    """Alerts in code marks are those of the rules."""
    named = re.findall(r"`(Macie[A-Z]\w+)`", prose(document))
    assert sorted({*named} - {*alerts()}) == []
