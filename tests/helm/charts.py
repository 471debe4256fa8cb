"""The chart, rendered by a real helm: what its tests have in common."""

import functools
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parents[2] / "helm" / "macie-invitations-exporter"
CASES = [path.name.removesuffix("-values.yaml") for path in sorted(CHART.glob("ci/*-values.yaml"))]
RELEASE, NAMESPACE = "macie-invitations-exporter", "security"

Manifest = Mapping[str, Any]
OURS = frozenset({"config", "web-config"})
"""The volumes whose content the exporter reads."""


def helm_answers(helm: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run helm with nothing of this machine's set-up; give whatever comes of it."""
    with tempfile.TemporaryDirectory() as home:
        environ = {"PATH": os.defpath, "HOME": home, "KUBECONFIG": f"{home}/none"}
        return subprocess.run(
            [helm, *arguments], env=environ, capture_output=True, text=True, check=False
        )


def run(helm: Path, *arguments: str | Path) -> str:
    """Run helm; give what it prints, fail with what it complains of."""
    answer = helm_answers(helm, *arguments)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def chart_with(folder: Path, files: Mapping[str, str]) -> Path:
    """Copy the chart into a folder, with these files in it besides, or instead."""
    copy = Path(shutil.copytree(CHART, folder / CHART.name))
    for name, text in files.items():
        (copy / name).write_text(text)
    return copy


def values_of(case: str) -> Path:
    """Return the file of values in ci/."""
    return CHART / "ci" / f"{case}-values.yaml"


@functools.cache
def rendered(helm: Path, case: str, *arguments: str, chart: Path = CHART) -> str:
    """Render a case, once. Helm 3 and 4 differ in empty lines between objects: they are cut."""
    where = ("--namespace", NAMESPACE, "--values", values_of(case))
    text = run(helm, "template", RELEASE, chart, *where, *arguments)
    return re.sub(r"\n+(?=---\n|\Z)", "\n", text)


def objects(text: str) -> list[Manifest]:
    """Return the objects of what was rendered."""
    return [each for each in yaml.safe_load_all(text) if each]


def of_kind(manifests: Iterable[Manifest], *kinds: str) -> list[Manifest]:
    """Return those of some kinds."""
    return [each for each in manifests if each["kind"] in kinds]


def workload(manifests: Iterable[Manifest]) -> Manifest:
    """Return the one Deployment or StatefulSet."""
    (found,) = of_kind(manifests, "Deployment", "StatefulSet")
    return found


def exporter(manifest: Manifest) -> Manifest:
    """Return the exporter's container of a workload."""
    containers = manifest["spec"]["template"]["spec"]["containers"]
    (found,) = [each for each in containers if each["name"] == "exporter"]
    return dict(found)


def pods(manifests: Iterable[Manifest]) -> list[Manifest]:
    """Return every pod's specification, that of `helm test` included."""
    made = [each.get("spec", {}).get("template", each) for each in manifests]
    return [each["spec"] for each in made if "containers" in each.get("spec", {})]


def variables(container: Manifest, pod: str) -> dict[str, str]:
    """Return a container's environment as far as it is known without a cluster."""
    return {
        each["name"]: each.get("value", pod)
        for each in container.get("env", [])
        if "value" in each or each["valueFrom"].get("fieldRef") == {"fieldPath": "metadata.name"}
    }


def flags(container: Manifest, manifests: Iterable[Manifest], folder: Path) -> list[str]:
    """Return the exporter's flags, its configuration mounted in a folder instead."""
    for each in of_kind(manifests, "ConfigMap", "Secret"):
        for key, text in (each.get("data") or each.get("stringData") or {}).items():
            (folder / key).write_text(text)
    mounts = [each["mountPath"] for each in container["volumeMounts"] if each["name"] in OURS]
    texts: list[str] = container["args"][1:]
    # The longest first: one may begin as another does.
    for mount in sorted(mounts, key=len, reverse=True):
        texts = [each.replace(mount, str(folder)) for each in texts]
    return texts
