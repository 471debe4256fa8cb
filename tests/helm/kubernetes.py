"""What a strict API server would take: by Kubernetes' own schemas, and of the operators' objects.

The operators publish no schemas that could be had here: golden/ shows which keys the chart writes,
and what stands behind them must be text, which a template easily makes a number or nothing of.
"""

import functools
import json
from collections.abc import Iterator, Mapping
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]  # has no stubs

OLDEST, NEWEST = "1.27", "1.37"
Manifest = Mapping[str, Any]

CUSTOM = {
    "ServiceMonitor": "monitoring.coreos.com/v1",
    "PodMonitor": "monitoring.coreos.com/v1",
    "PrometheusRule": "monitoring.coreos.com/v1",
    "GrafanaDashboard": "grafana.integreatly.org/v1beta1",
    "VerticalPodAutoscaler": "autoscaling.k8s.io/v1",
    "HTTPRoute": "gateway.networking.k8s.io/v1",
}
"""The operators' objects, with the versions of their API."""
FLAGS = {"honorLabels", "allowCrossNamespaceImport", "insecureSkipVerify"}
"""Keys of theirs that are switches; limits, weights and a route's ports are numbers."""


def complaints(manifest: Manifest, version: str) -> list[str]:
    """Say what is wrong with an object under a version of Kubernetes; unknown keys are."""
    kind, api = manifest["kind"], manifest["apiVersion"]
    if kind in CUSTOM:
        wrong = [f"apiVersion: {api}"] if api != CUSTOM[kind] else []
        return [f"{kind}: {each}" for each in (*wrong, *_no_text(manifest, kind))]
    return _of_kubernetes(json.dumps(manifest), version)


def _no_text(value: object, where: str) -> Iterator[str]:
    """Yield the places where something else than text stands, or nothing."""
    key = where.rpartition(".")[2]
    if isinstance(value, dict | list) and value:
        items = value.items() if isinstance(value, dict) else ((key, each) for each in value)
        for name, below in items:
            yield from _no_text(below, f"{where}.{name}")
        return
    number = key.endswith("Limit") or (key in {"weight", "port"} and where.startswith("HTTPRoute"))
    if type(value) is not (bool if key in FLAGS else int if number else str):
        yield f"{where}: {value!r}"


@functools.cache
def _of_kubernetes(manifest: str, version: str) -> list[str]:
    """Say what is wrong with an object first; many are the same in several cases."""
    try:
        kubernetes_validate.validate(json.loads(manifest), version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [f"{manifest}: {error.json_path}: {error.message}"]
    return []
