"""Every file in ci/ renders to just the objects in golden/, under Helm 3 and 4 alike.

`UPDATE_GOLDEN=1 pytest tests/helm` writes golden/ anew; the difference is there to be read.
"""

import os
from pathlib import Path
from textwrap import indent

import pytest

from tests.helm.charts import CASES, CHART, helm_answers, rendered, run, values_of

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("case", CASES)
def test_a_case_renders_to_its_golden_file(helm: Path, case: str) -> None:
    """Byte by byte, empty lines between objects aside."""
    golden = GOLDEN / f"{case}.txt"
    text = _abridged(rendered(helm, case))
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(text)
    assert text == golden.read_text()


def _abridged(text: str) -> str:
    """Put a dashboard's name where it stands to the letter: the golden files need no copy of it."""
    for path in CHART.glob("files/dashboards/*.json"):
        text = text.replace(indent(path.read_text().strip(), " " * 4), f"    (all of {path.name})")
    return text


def test_every_golden_file_has_its_case() -> None:
    """None is left over."""
    assert sorted(path.stem for path in GOLDEN.iterdir()) == CASES


@pytest.mark.parametrize("case", CASES)
def test_a_case_passes_lint(helm: Path, case: str) -> None:
    """Warnings fail too."""
    answer = helm_answers(helm, "lint", "--strict", "--quiet", "--values", values_of(case), CHART)
    assert (answer.returncode, answer.stdout.strip()) == (0, "")


def test_the_notes_tell_how_to_see_the_first_metric_and_what_iam_lacks(helm4: Path) -> None:
    """With commands that can be pasted, for this release. Helm 3 shows notes to clusters alone."""
    arguments = ("--dry-run=client", "--namespace", "ns", "--values", values_of("accounts"))
    text = run(helm4, "install", "mine", CHART, *arguments)
    notes = text[text.index("NOTES:") :]
    name = "mine-macie-invitations-exporter"
    assert f"kubectl -n ns port-forward service/{name} 10058:10058" in notes
    assert "curl -s http://localhost:10058/metrics | grep" in notes
    command = f"kubectl -n ns exec deployment/{name} -- macie-invitations-exporter"
    file = "--config.file=/etc/macie-invitations-exporter/exporter.yaml"
    assert f"{command} doctor {file}\n" in notes
    assert f"{command} iam {file}\n" in notes
    assert "helm test -n ns mine" in notes
    assert "has no annotation" not in notes


def test_the_notes_of_the_demo_speak_of_no_iam(helm4: Path) -> None:
    """And say that what it shows is made up."""
    text = run(helm4, "install", "d", CHART, "--dry-run=client", "--values", values_of("demo"))
    notes = text[text.index("NOTES:") :]
    assert "This is the demo" in notes
    assert "iam" not in notes
