"""What a strict API server would take: schemas of Kubernetes, and of the operators' objects."""

import functools
from collections.abc import Mapping
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # its stubs are a package of their own
import kubernetes_validate.utils as published  # type: ignore[import-untyped]  # has no stubs
from referencing import Registry, Resource

OLDEST, NEWEST = "1.27", "1.37"
Manifest = Mapping[str, Any]


def complaints(manifest: Manifest, version: str) -> list[str]:
    """Say what is wrong with an object under a version of Kubernetes; unknown keys are."""
    validator = _custom(manifest["kind"]) or _native(
        manifest["kind"], manifest["apiVersion"], version
    )
    return [
        f"{manifest['kind']}: {error.json_path}: {error.message}"
        for error in validator.iter_errors(manifest)
    ]


@functools.cache
def _native(kind: str, api: str, version: str) -> Any:
    # The group's first word alone is in the file's name: apps-v1, networking-v1.
    group, _, number = api.rpartition("/")
    name = "-".join(filter(None, (kind.lower(), group.split(".")[0], number)))
    schema = _file(f"{name}.json", version)
    return jsonschema.Draft202012Validator(schema, registry=_definitions(version))


@functools.cache
def _definitions(version: str) -> Any:
    resource: Resource[Any] = Resource.from_contents(_file("_definitions.json", version))
    return resource @ Registry()


def _file(name: str, version: str) -> Any:
    return published.schema_contents(
        f"kubernetes-json-schema/v{version}.0-local-strict/{name}", version
    )


@functools.cache
def _custom(kind: str) -> Any:
    if kind not in CUSTOM:
        return None
    api, spec = CUSTOM[kind]
    whole = _closed(
        apiVersion={"const": api},
        kind={"const": kind},
        metadata=_closed(name=TEXT, namespace=TEXT, labels=TEXTS, annotations=TEXTS),
        spec=spec,
    )
    return jsonschema.Draft202012Validator(whole | {"required": [*whole["properties"]]})


def _closed(**properties: object) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _list(of: object) -> dict[str, Any]:
    return {"type": "array", "minItems": 1, "items": of}


TEXT = {"type": "string", "minLength": 1}
TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
_FLAG = {"type": "boolean"}
_COUNT = {"type": "integer", "minimum": 1}
_PORT = {"type": "integer", "minimum": 1, "maximum": 65535}
_OBJECT = {"type": "object"}
_DURATION = {"type": "string", "pattern": "^([0-9]+(ms|[smhdwy]))+$"}
_SELECTOR = _closed(matchLabels=TEXTS)
_KEY = _closed(name=TEXT, key=TEXT)
_ENDPOINT = _closed(
    port=TEXT,
    path={"type": "string", "pattern": "^/"},
    scheme={"enum": ["http", "https"]},
    honorLabels=_FLAG,
    interval=_DURATION,
    scrapeTimeout=_DURATION,
    tlsConfig=_OBJECT,
    basicAuth=_closed(username=_KEY, password=_KEY),
    authorization=_closed(type=TEXT, credentials=_KEY),
    proxyUrl=TEXT,
    params={"type": "object", "additionalProperties": _list(TEXT)},
    relabelings=_list(_OBJECT),
    metricRelabelings=_list(_OBJECT),
)
_MONITOR = {
    "jobLabel": TEXT,
    "podTargetLabels": _list(TEXT),
    "scrapeClass": TEXT,
    "sampleLimit": _COUNT,
    "targetLimit": _COUNT,
    "labelLimit": _COUNT,
    "labelNameLengthLimit": _COUNT,
    "labelValueLengthLimit": _COUNT,
    "namespaceSelector": _closed(matchNames=_list(TEXT)),
    "selector": _SELECTOR,
}
_RULE = _closed(
    alert=TEXT,
    record=TEXT,
    expr=TEXT,
    **{"for": _DURATION},
    keep_firing_for=_DURATION,
    labels=TEXTS,
    annotations=TEXTS,
)
_OPERATOR, _GRAFANA = "monitoring.coreos.com/v1", "grafana.integreatly.org/v1beta1"

CUSTOM: Mapping[str, tuple[str, dict[str, Any]]] = {
    "ServiceMonitor": (
        _OPERATOR,
        _closed(endpoints=_list(_ENDPOINT), targetLabels=_list(TEXT), **_MONITOR),
    ),
    "PodMonitor": (_OPERATOR, _closed(podMetricsEndpoints=_list(_ENDPOINT), **_MONITOR)),
    "PrometheusRule": (
        _OPERATOR,
        _closed(groups=_list(_closed(name=TEXT, interval=_DURATION, rules=_list(_RULE)))),
    ),
    "GrafanaDashboard": (
        _GRAFANA,
        _closed(
            instanceSelector=_SELECTOR,
            allowCrossNamespaceImport=_FLAG,
            resyncPeriod=_DURATION,
            folder=TEXT,
            configMapRef=_KEY,
        ),
    ),
    "VerticalPodAutoscaler": (
        "autoscaling.k8s.io/v1",
        _closed(
            targetRef=_closed(apiVersion=TEXT, kind=TEXT, name=TEXT),
            updatePolicy=_closed(updateMode=TEXT),
            resourcePolicy=_closed(
                containerPolicies=_list(
                    _closed(containerName=TEXT, minAllowed=_OBJECT, maxAllowed=_OBJECT)
                )
            ),
        ),
    ),
    "HTTPRoute": (
        "gateway.networking.k8s.io/v1",
        _closed(
            parentRefs=_list(_OBJECT),
            hostnames=_list(TEXT),
            rules=_list(
                _closed(
                    matches=_list(_OBJECT),
                    backendRefs=_list(
                        _closed(
                            group={"const": ""},
                            kind={"const": "Service"},
                            name=TEXT,
                            port=_PORT,
                            weight=_COUNT,
                        )
                    ),
                )
            ),
        ),
    ),
}
"""Of the operators' objects the fields that the chart may write, as their references have them."""
