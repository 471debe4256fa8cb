"""The dashboards as the chart delivers them, rendered by a real helm."""

import json

import pytest

from tests.grafana.reading import NAMES, dashboard
from tests.helm.charts import objects, of_kind, rendered
from tests.helm.conftest import require_tool


@pytest.mark.parametrize("version", ["helm3", "helm4"])
def test_dashboards_arrive_unchanged(version: str) -> None:
    """One ConfigMap each: Grafana's braces are not taken for Helm's, and nothing is folded."""
    manifests = objects(rendered(require_tool(version), "servicemonitor"))
    shipped = {
        file.removesuffix(".json"): json.loads(text)
        for config_map in of_kind(manifests, "ConfigMap")
        if config_map["metadata"]["labels"].get("grafana_dashboard") == "1"
        for file, text in config_map["data"].items()
    }
    assert shipped == {name: dashboard(name) for name in NAMES}
    assert "{{relationship_status}}" in json.dumps(shipped)
