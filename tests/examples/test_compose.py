"""The example for one machine: Docker's own reader takes it, and its parts find each other."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from exporter import __version__
from grafana.boards import FOLDER
from tests.conftest import require
from tests.helm.charts import run

EXAMPLES = Path(__file__).parents[2] / "examples"
COMPOSE = EXAMPLES / "compose.yaml"
NAME = "macie-invitations-exporter"


def loaded(path: Path) -> Any:
    """Read an example."""
    return yaml.safe_load(path.read_text())


SERVICES: Mapping[str, Mapping[str, Any]] = loaded(COMPOSE)["services"]
PROMETHEUS = loaded(EXAMPLES / "compose" / "prometheus.yml")
(DATASOURCE,) = loaded(EXAMPLES / "compose" / "grafana-datasources.yaml")["datasources"]
(PROVIDER,) = loaded(EXAMPLES / "compose" / "grafana-dashboards.yaml")["providers"]


def mounts(service: str) -> dict[str, Path]:
    """Return where a service sees which file or folder of the repository."""
    found = {}
    for volume in SERVICES[service]["volumes"]:
        source, target, mode = volume.split(":")
        assert mode == "ro"
        assert target not in found
        found[target] = (EXAMPLES / source).resolve()
    return found


def ports(service: str) -> set[int]:
    """Return a service's ports, each of which this machine alone reaches by the same number."""
    found = set()
    for published in SERVICES[service]["ports"]:
        host, outside, inside = published.split(":")
        assert (host, outside) == ("127.0.0.1", inside)
        found.add(int(inside))
    return found


def test_docker_takes_it() -> None:
    """As its own program reads it; what is mounted is there."""
    listed = run(require("docker-compose"), "--file", COMPOSE, "config", "--services")
    assert {*listed.split()} == {*SERVICES}
    for service in {*SERVICES} - {"exporter"}:
        assert [source for source in mounts(service).values() if not source.exists()] == []


def test_the_exporter_is_this_one() -> None:
    """Its demo, as released or built here, and as restricted as it can be."""
    service = SERVICES["exporter"]
    assert service["image"] == f"ghcr.io/{NAME}/{NAME}:{__version__}"
    assert service["build"] == ".."
    assert (COMPOSE.parent / ".." / "Dockerfile").exists()
    assert service["command"] == ["demo"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]


def test_services_are_named_as_they_are() -> None:
    """By name and by a port that is theirs."""
    asked = [
        *(target for job in PROMETHEUS["scrape_configs"] for target in _targets(job)),
        *(target for each in PROMETHEUS["alerting"]["alertmanagers"] for target in _targets(each)),
        urlsplit(DATASOURCE["url"]).netloc,
    ]
    assert asked == ["exporter:10058", "alertmanager:9093", "prometheus:9090"]
    for address in asked:
        host, _, port = address.partition(":")
        assert int(port) in ports(host)


def _targets(configured: Mapping[str, Any]) -> list[str]:
    return [target for group in configured["static_configs"] for target in group["targets"]]


def test_grafana_has_every_dashboard_and_where_to_ask() -> None:
    """One data source, of the kind that the dashboards ask for; the first dashboard is its home."""
    seen = mounts("grafana")
    folder = PROVIDER["options"]["path"]
    shown = {target: source for target, source in seen.items() if target.startswith(f"{folder}/")}
    assert {*shown.values()} == {*FOLDER.glob("*.json")}
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert shown[home].name == "invitations.json"
    assert {Path(target).parent.name for target in seen.keys() - shown.keys()} == {
        "datasources",
        "dashboards",
    }
    assert (DATASOURCE["type"], DATASOURCE["isDefault"]) == ("prometheus", True)
    assert DATASOURCE["jsonData"]["timeInterval"] == PROMETHEUS["global"]["scrape_interval"]


def test_prometheus_takes_its_configuration(tmp_path: Path) -> None:
    """With the shipped rules where the example mounts them."""
    (folder,) = [x for target, x in mounts("prometheus").items() if target.endswith("/rules")]
    (pattern,) = PROMETHEUS["rule_files"]
    (tmp_path / "rules.yaml").symlink_to(folder / Path(pattern).name)
    file = tmp_path / "prometheus.yml"
    file.write_text(yaml.safe_dump({**PROMETHEUS, "rule_files": ["rules.yaml"]}))
    assert "1 rule files found" in run(require("promtool"), "check", "config", file)
