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


def notes(helm4: Path, case: str, *more: str) -> str:
    """Return what is said after the installation. Helm 3 shows it to clusters alone."""
    where = ("--namespace", "ns", "--values", str(values_of(case)))
    text = run(helm4, "install", "mine", CHART, "--dry-run=client", *where, *more)
    return text[text.index("NOTES:") :]


NAME = "mine-macie-invitations-exporter"
FILE = "--config.file=/etc/macie-invitations-exporter/exporter.yaml"


def test_the_notes_tell_how_to_see_the_first_metric_and_what_iam_lacks(helm4: Path) -> None:
    """With commands that can be pasted, for this release."""
    said = notes(helm4, "accounts")
    assert f"kubectl -n ns port-forward service/{NAME} 10058:10058" in said
    assert "curl -s http://localhost:10058/metrics | grep" in said
    command = f"kubectl -n ns exec deployment/{NAME} -- macie-invitations-exporter"
    assert f"{command} doctor {FILE}\n" in said
    assert f"{command} iam {FILE}\n" in said
    assert "helm test -n ns mine" in said
    assert "has no annotation" not in said


def test_the_notes_of_shards_look_at_all_accounts(helm4: Path) -> None:
    """The first pod has a part of them alone, and its variables say so."""
    said = notes(helm4, "shards")
    command = f"kubectl -n ns exec statefulset/{NAME} -- macie-invitations-exporter"
    assert f"{command} doctor {FILE} --shard.index=0 --shard.total=1\n" in said
    assert f"{command} iam {FILE}\n" in said


def test_the_notes_say_how_credentials_come_where_none_are_seen(helm4: Path) -> None:
    """By Pod Identity or IRSA, for the ServiceAccount of this release; and what is polled."""
    said = notes(helm4, "default")
    assert f"The ServiceAccount {NAME} has no annotation that gives it a role." in said
    assert f"--namespace ns \\\n    --service-account {NAME} --role-arn ROLE_ARN" in said
    assert "only the account of the pod's own credentials is polled" in said
    assert "Prometheus is not told of it" in said
    assert "is polled" not in notes(helm4, "existing-config")
    assert "Nobody is told as unknown: set config.metrics.trusted_inviters" in said
    assert "as unknown" not in notes(helm4, "existing-config")
    trusting = 'config.metrics.trusted_inviters=["111122223333"]'
    assert "as unknown" not in notes(helm4, "default", "--set-json", trusting)
    assert "Prometheus is not told of it" not in notes(helm4, "organization")


def test_the_notes_do_not_ask_for_credentials_that_are_there(helm4: Path) -> None:
    """By IRSA, or by AWS's own variables; an annotation for something else is none."""
    irsa = (
        r"serviceAccount.annotations.eks\.amazonaws\.com/role-arn=arn:aws:iam::111122223333:role/a"
    )
    key = "extraEnv[0].name=AWS_ACCESS_KEY_ID,extraEnv[0].value=a"
    for given in (irsa, key, "extraEnvFrom[0].secretRef.name=aws-credentials"):
        assert "create-pod-identity-association" not in notes(helm4, "default", "--set", given)
    other = notes(helm4, "default", "--set", "serviceAccount.annotations.team=a")
    assert "has no annotation that gives it a role" in other
    existing = notes(helm4, "default", "--set", "serviceAccount.create=false")
    assert "The ServiceAccount default is not the chart's, which does not know" in existing


def test_the_notes_speak_what_the_exporter_speaks(helm4: Path) -> None:
    """The Service's port, the path of the metrics, TLS, and who is let in."""
    assert "curl -s --insecure https://localhost:10058/metrics" in notes(helm4, "tls")
    said = notes(helm4, "authentication")
    assert "curl -s --insecure --user USER https://localhost:10058/metrics" in said
    assert "Only who has a password or a certificate is let in" in said
    assert "Prometheus needs the password or the certificate as well" in said
    assert f"port-forward service/{NAME} 10058:80 &" in notes(helm4, "network")
    assert "curl -s http://localhost:10058/own/metrics" in notes(helm4, "existing-config")
    assert "helm test" not in notes(helm4, "default", "--set", "tests.enabled=false")


def test_the_notes_of_the_demo_speak_of_no_iam(helm4: Path) -> None:
    """And say that what it shows is made up."""
    said = notes(helm4, "demo")
    assert "This is the demo" in said
    assert "iam" not in said
