"""The other examples: a Prometheus without Kubernetes, and two charts that find each other."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import require
from tests.helm.charts import CHART, objects, of_kind, run
from tests.helm.conftest import require_tool

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
BESIDE = EXAMPLES / "kube-prometheus-stack"


def stack() -> Any:
    """Return the values of kube-prometheus-stack."""
    return yaml.safe_load((BESIDE / "stack-values.yaml").read_text())


def copy_rules(folder: Path) -> None:
    """Copy the rules as the example's first lines say, but into a folder of the test's."""
    (line,) = re.findall(
        r"^# cp (.*) examples/$", (EXAMPLES / "prometheus.yml").read_text(), re.MULTILINE
    )
    shutil.copy(ROOT / line, folder)


def promtool_takes(file: Path, *flags: str) -> str:
    """Have promtool check a configuration; give what it says."""
    checked = subprocess.run(
        [require("promtool"), "check", "config", *flags, file],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
    return checked.stdout


def test_prometheus_takes_its_configuration(tmp_path: Path) -> None:
    """With the shipped rules where it looks for them."""
    (tmp_path / "prometheus.yml").write_text((EXAMPLES / "prometheus.yml").read_text())
    copy_rules(tmp_path)
    assert "1 rule files found" in promtool_takes(tmp_path / "prometheus.yml")


def test_what_is_commented_out_is_taken_too(tmp_path: Path) -> None:
    """TLS and a password, as somebody with a web file would have them."""
    lines = (EXAMPLES / "prometheus.yml").read_text().splitlines()
    at = next(number for number, line in enumerate(lines) if "web.config_file" in line)
    lines[at + 1 :] = [line.replace("#", "", 1) for line in lines[at + 1 :]]
    assert any(line.startswith("    scheme: https") for line in lines)
    file = tmp_path / "prometheus.yml"
    file.write_text("\n".join(lines))
    copy_rules(tmp_path)
    promtool_takes(file, "--syntax-only")


def test_the_stack_tells_the_same_people() -> None:
    """Its values hold the example for Alertmanager, without its comments."""
    alone = yaml.safe_load((EXAMPLES / "alertmanager.yml").read_text())
    assert stack()["alertmanager"]["config"] == alone


def test_the_stack_finds_what_the_chart_makes() -> None:
    """Dashboards in any namespace by their label, each into the folder that it names.

    Monitor and rules have no label `release`, and the stack does not ask for one.
    """
    values = BESIDE / "exporter-values.yaml"
    made = objects(run(require_tool("helm4"), "template", "macie", CHART, "--values", values))
    sidecar = stack()["grafana"]["sidecar"]["dashboards"]
    dashboards = [
        each["metadata"]
        for each in of_kind(made, "ConfigMap")
        if each["metadata"]["labels"].get(sidecar["label"]) == sidecar["labelValue"]
    ]
    assert len(dashboards) == 3
    assert {each["annotations"][sidecar["folderAnnotation"]] for each in dashboards} == {"Macie"}
    assert sidecar["searchNamespace"] == "ALL"
    for kind, selector in (("ServiceMonitor", "serviceMonitor"), ("PrometheusRule", "rule")):
        (each,) = of_kind(made, kind)
        assert "release" not in each["metadata"]["labels"]
        ours = stack()["prometheus"]["prometheusSpec"]
        assert ours[f"{selector}SelectorNilUsesHelmValues"] is False
