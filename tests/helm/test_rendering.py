"""Every file in ci/ renders to just the objects in golden/ and says just what is in notes/.

`UPDATE_GOLDEN=1 pytest tests/helm` writes both anew; the difference is there to be read.
"""

import os
from pathlib import Path
from textwrap import indent

import pytest

from tests.helm.charts import CASES, CHART, rendered, run, values_of

GOLDEN, NOTES = (Path(__file__).parent / name for name in ("golden", "notes"))
ROLE = r"serviceAccount.annotations.eks\.amazonaws\.com/role-arn=arn:aws:iam::111122223333:role/a"
SAID = {
    **{case: (case, "") for case in CASES},
    "default-irsa": ("default", ROLE),
    "default-key": ("default", "extraEnv[0].name=AWS_ACCESS_KEY_ID,extraEnv[0].value=a"),
    "default-secret": ("default", "extraEnvFrom[0].secretRef.name=aws-credentials"),
    "default-other-annotation": ("default", "serviceAccount.annotations.team=a"),
    "default-other-account": ("default", "serviceAccount.create=false"),
    "default-no-tests": ("default", "tests.enabled=false"),
}
"""Cases, with values besides, whose notes are kept."""


def is_golden(text: str, file: Path) -> None:
    """Compare a text with a file, or write it."""
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(text)
    assert text == file.read_text()


@pytest.mark.parametrize("case", CASES)
def test_a_case_renders_to_its_golden_file(helm: Path, case: str) -> None:
    """Byte by byte, empty lines between objects aside, and the dashboards' own files."""
    text = rendered(helm, case)
    for path in CHART.glob("files/dashboards/*.json"):
        text = text.replace(indent(path.read_text().strip(), " " * 4), f"    (all of {path.name})")
    is_golden(text, GOLDEN / f"{case}.txt")


@pytest.mark.parametrize("name", SAID)
def test_the_notes_help_on(helm4: Path, name: str) -> None:
    """How to see the first metric, what IAM lacks, who is let in, with commands to be pasted.

    Helm 3 shows them to clusters alone.
    """
    case, values = SAID[name]
    options = ("--namespace", "ns", "--values", values_of(case), "--set", values)
    text = run(helm4, "install", "mine", CHART, "--dry-run=client", *options)
    is_golden(text[text.index("NOTES:") :], NOTES / f"{name}.txt")
