"""The other examples: a Prometheus without Kubernetes, and two charts that find each other."""

import re
import shutil
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import require
from tests.helm.charts import CHART, objects, of_kind, run
from tests.helm.conftest import require_tool

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
BESIDE = EXAMPLES / "kube-prometheus-stack"
STACK: Any = yaml.safe_load((BESIDE / "stack-values.yaml").read_text())


def promtool_says(folder: Path, text: str, *flags: str) -> str:
    """Have promtool take a configuration, with the rules copied as the example says."""
    (line,) = re.findall(r"(?m)^# cp (.*) examples/$", (EXAMPLES / "prometheus.yml").read_text())
    shutil.copy(ROOT / line, folder)
    (folder / "prometheus.yml").write_text(text)
    return run(require("promtool"), "check", "config", *flags, folder / "prometheus.yml")


def test_prometheus_takes_its_configuration(tmp_path: Path) -> None:
    """With the shipped rules; and with what is commented out: TLS and a password."""
    text = (EXAMPLES / "prometheus.yml").read_text()
    assert "1 rule files found" in promtool_says(tmp_path, text)
    head, mark, rest = text.partition("web.config_file")
    said, *commented = rest.splitlines()
    secured = "\n".join(line.replace("#", "", 1) for line in commented)
    assert "    scheme: https" in secured
    promtool_says(tmp_path, f"{head}{mark}{said}\n{secured}", "--syntax-only")


def test_the_stack_tells_the_same_people() -> None:
    """Its values hold the example for Alertmanager, without its comments."""
    alone = yaml.safe_load((EXAMPLES / "alertmanager.yml").read_text())
    assert STACK["alertmanager"]["config"] == alone


def test_the_stack_finds_what_the_chart_makes() -> None:
    """Dashboards in any namespace by their label, each into the folder that it names.

    Monitor and rules have no label `release`, and the stack does not ask for one.
    """
    values = BESIDE / "exporter-values.yaml"
    made = objects(run(require_tool("helm4"), "template", "macie", CHART, "--values", values))
    sidecar = STACK["grafana"]["sidecar"]["dashboards"]
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
        ours = STACK["prometheus"]["prometheusSpec"]
        assert ours[f"{selector}SelectorNilUsesHelmValues"] is False
