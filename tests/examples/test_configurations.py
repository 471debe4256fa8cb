"""The examples: programs take what is theirs, and its parts find each other."""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from exporter import __version__
from grafana.boards import FOLDER
from tests.conftest import require
from tests.helm.charts import CHART, objects, of_kind, run
from tests.helm.conftest import require_tool

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
COMPOSE = EXAMPLES / "compose.yaml"
NAME = "macie-invitations-exporter"


def loaded(name: str) -> Any:
    """Read an example."""
    return yaml.safe_load((EXAMPLES / name).read_text())


SERVICES: Mapping[str, Mapping[str, Any]] = loaded("compose.yaml")["services"]
PROMETHEUS = loaded("compose/prometheus.yml")
(SOURCE,) = loaded("compose/grafana-datasources.yaml")["datasources"]
STACK = loaded("kube-prometheus-stack/stack-values.yaml")


def mounts(service: str) -> dict[str, Path]:
    """Return where a service sees which file or folder of the repository; none can be written."""
    volumes = [volume.split(":") for volume in SERVICES[service].get("volumes", ())]
    assert {mode for *_, mode in volumes} <= {"ro"}
    return {target: (EXAMPLES / source).resolve() for source, target, _ in volumes}


def test_docker_takes_the_services() -> None:
    """As its own program reads them; the demo is as released, or built here, and restricted.

    They find each other by name and by a port that is theirs, which this machine alone reaches.
    """
    run(require("docker-compose"), "--file", COMPOSE, "config", "--quiet")
    image = {"image": f"ghcr.io/{NAME}/{NAME}:{__version__}", "build": "..", "command": ["demo"]}
    restricted = {"read_only": True, "cap_drop": ["ALL"]}
    assert {**SERVICES["exporter"], **image, **restricted} == SERVICES["exporter"]
    assert [x for each in SERVICES for x in mounts(each).values() if not x.exists()] == []
    asking = (*PROMETHEUS["scrape_configs"], *PROMETHEUS["alerting"]["alertmanagers"])
    groups = [group for each in asking for group in each["static_configs"]]
    asked = [target for group in groups for target in group["targets"]]
    asked.append(SOURCE["url"].removeprefix("http://"))
    assert asked == ["exporter:10058", "alertmanager:9093", "prometheus:9090"]
    ports = {f"{name}:{port}" for name, each in SERVICES.items() for port in each["ports"]}
    own = re.compile(r"(\w+):127\.0\.0\.1:(\d+):\2")
    assert {*asked, "grafana:3000"} == {own.sub(r"\1:\2", each) for each in ports}


def test_grafana_has_every_dashboard_and_where_to_ask() -> None:
    """One data source, of the kind that the dashboards ask for; the first dashboard is its home."""
    (provider,) = loaded("compose/grafana-dashboards.yaml")["providers"]
    seen, folder = mounts("grafana"), f"{provider['options']['path']}/"
    shown = {target: file for target, file in seen.items() if target.startswith(folder)}
    assert {*shown.values()} == {*FOLDER.glob("*.json")}
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert shown[home].name == "invitations.json"
    settings = {Path(target).parent.name for target in seen.keys() - shown.keys()}
    assert settings == {"datasources", "dashboards"}
    assert (SOURCE["type"], SOURCE["isDefault"]) == ("prometheus", True)
    assert SOURCE["jsonData"]["timeInterval"] == PROMETHEUS["global"]["scrape_interval"]


def test_prometheus_takes_its_configurations(tmp_path: Path) -> None:
    """With the shipped rules, mounted or copied as it says.

    Also with what is commented out: TLS and a password.
    """
    promtool, file = require("promtool"), tmp_path / "prometheus.yml"
    mounted = mounts("prometheus")
    (tmp_path / "rules").symlink_to(mounted["/etc/prometheus/rules"])
    text = (EXAMPLES / "prometheus.yml").read_text()
    (copied,) = re.findall(r"(?m)^# cp (.*) examples/$", text)
    shutil.copy(ROOT / copied, tmp_path)
    for each in (text, mounted["/etc/prometheus/prometheus.yml"].read_text()):
        file.write_text(each)
        assert "1 rule files found" in run(promtool, "check", "config", file)
    head, mark, commented = text.partition("web.config_file")
    file.write_text(head + mark + re.sub(r"(?m)^#    ", "    ", commented))
    assert "\n    scheme: https" in file.read_text()
    run(promtool, "check", "config", "--syntax-only", file)


def test_the_stack_finds_what_the_chart_makes() -> None:
    """Dashboards in any namespace by their label, each into the folder that it names.

    Monitor and rules have no label `release`, and the stack does not ask for one. It tells the same
    people as the example for Alertmanager.
    """
    values = EXAMPLES / "kube-prometheus-stack" / "exporter-values.yaml"
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
    assert STACK["alertmanager"]["config"] == loaded("alertmanager.yml")
