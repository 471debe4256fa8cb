"""Values: each is described, and what is wrong is refused by its name."""

import json
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter import __version__
from tests.helm.charts import (
    CHART,
    exporter,
    helm_answers,
    objects,
    of_kind,
    rendered,
    run,
    workload,
)
from tests.helm.kubernetes import NEWEST, OLDEST, complaints
from tests.helm.values_table import written as table_written
from tools.schema import definitions, written

SCHEMA = CHART / "values.schema.json"
VALUES = CHART / "values.yaml"
META = yaml.safe_load((CHART / "Chart.yaml").read_text())

WRONG = """\
shardz: 2
shards: 0
image: {repository: "", tag: a b, digest: "sha256:1", pullPolicy: Sometimes}
imagePullSecrets: [{name: ""}]
commonLabels: {a: 1, b: x y}
podLabels: {a b: c}
podAnnotations: {a b: c}
nodeSelector: {a: x/y}
namespaceOverride: a.b
fullnameOverride: Mine
service: {type: ExternalName, port: 0, ipFamilies: [IPv4, IPv4]}
resources: {request: {cpu: 1}, limits: {cpu: true, memory: 128MB}}
verticalPodAutoscaler: {minAllowed: {cpu: 1x}}
updateStrategy: {type: Replace, rollingUpdate: {maxUnavailable: 200%}}
statefulSetUpdateStrategy: {type: Recreate}
tolerations: [{operator: Is}]
topologySpreadConstraints: [{}]
hostAliases: [{ip: a.example}]
extraVolumes: [{name: A_b}]
extraContainers: [{image: a}]
dashboards: {grafanaOperator: {resyncPeriod: 1d, instanceSelector: {labels: {}}}}
podSecurityContext: {runAsUser: "1000", seccompProfile: {type: Default}}
securityContext: {capabilities: {drop: ALL}, readOnlyRootFilesystem: "yes"}
dnsConfig: {options: [{name: ndots, value: 2}]}
existingConfig: {kind: Pod}
ingress: {enabled: true, hosts: [], tls: [{secret: a, hosts: ["a:80"]}]}
httpRoute: {enabled: true, hostnames: ["http://a"]}
podMonitor: {namespace: a.b, proxyUrl: proxy}
livenessProbe: {httpGet: {path: /}}
serviceMonitor: {interval: often}
prometheusRule:
  additionalAggregationLabels: [cluster, k8s-cluster]
  thresholds: {failingRatio: 2}
  ruleLabels: {a-b: c}
  alerts: {MacieTargetStale: {four: 5m}}
podDisruptionBudget: {maxUnavailable: some}
networkPolicy: {ingress: {namespaces: [a b]}, egress: {cidrs: [10.0.0.0, 10.0.0.256/8, "::/129"]}}
serviceAccount: {name: Foo..bar}
extraEnv: [{name: A, value: 1}, {name: A B}]
extraArgs: {A: b}
config:
  config: {file: /a}
  poll: {intervall: 5m, interval: 300, concurrency: 513}
  aws:
    regions: everywhere
    accounts: [{id: 111122223333}, {id: "1"}, {name: a}]
    organization: {role_name: "a b"}
  metrics: {zero_fill: some, age_buckets: [1 day], per_invitation: {max_series: 0}}
  web: {listen_address: "10058", telemetry_path: metrics}
  log: {level: loud}
"""
NAMED = {
    "": "shardz",
    "shards": "1",
    "image.repository": "1",
    "image.digest": "sha256",
    "image.pullPolicy": "",
    "image.tag": "A-Za-z0-9",
    "imagePullSecrets.0.name": "1",
    "commonLabels.a": "string",
    "commonLabels.b": "A-Za-z0-9",
    "podLabels": "a b",
    "podAnnotations": "a b",
    "nodeSelector.a": "A-Za-z0-9",
    "namespaceOverride": "a-z",
    "fullnameOverride": "a-z",
    "service.type": "ClusterIP",
    "service.port": "1",
    "service.ipFamilies": "",
    "resources": "request",
    "resources.limits.cpu": "",
    "resources.limits.memory": "",
    "verticalPodAutoscaler.minAllowed.cpu": "",
    "updateStrategy.type": "Recreate",
    "updateStrategy.rollingUpdate.maxUnavailable": "",
    "statefulSetUpdateStrategy.type": "OnDelete",
    "tolerations.0.operator": "Exists",
    "topologySpreadConstraints.0": "maxSkew",
    "hostAliases.0.ip": "",
    "extraVolumes.0.name": "a-z",
    "extraContainers.0": "name",
    "dashboards.grafanaOperator.resyncPeriod": "",
    "dashboards.grafanaOperator.instanceSelector": "labels",
    "podSecurityContext.runAsUser": "integer",
    "podSecurityContext.seccompProfile.type": "RuntimeDefault",
    "securityContext.capabilities.drop": "array",
    "securityContext.readOnlyRootFilesystem": "boolean",
    "dnsConfig.options.0.value": "string",
    "existingConfig.kind": "Secret",
    "ingress.hosts": "1",
    "ingress.tls.0": "secret",
    "ingress.tls.0.hosts.0": "a-z",
    "httpRoute.parentRefs": "1",
    "httpRoute.hostnames.0": "a-z",
    "podMonitor.namespace": "a-z",
    "podMonitor.proxyUrl": "https",
    "livenessProbe": "httpGet",
    "serviceMonitor.interval": "",
    "prometheusRule.additionalAggregationLabels.1": "a-zA-Z_",
    "prometheusRule.thresholds.failingRatio": "1",
    "prometheusRule.ruleLabels": "a-b",
    "prometheusRule.alerts.MacieTargetStale": "four",
    "podDisruptionBudget.maxUnavailable": "",
    "networkPolicy.ingress.namespaces.0": "a-z",
    "networkPolicy.egress.cidrs.0": "/",
    "networkPolicy.egress.cidrs.1": "/",
    "networkPolicy.egress.cidrs.2": "/",
    "serviceAccount.name": "a-z",
    "extraEnv.0.value": "string",
    "extraEnv.1.name": "",
    "extraArgs": "array",
    "config": "config",
    "config.poll": "intervall",
    "config.poll.interval": "string",
    "config.poll.concurrency": "512",
    "config.aws.regions": "",
    "config.aws.accounts.0.id": "string",
    "config.aws.accounts.1.id": "[0-9]{12}",
    "config.aws.accounts.2": "id",
    "config.aws.organization": "",
    "config.metrics.zero_fill": "invited",
    "config.metrics.age_buckets.0": "",
    "config.metrics.per_invitation.max_series": "1",
    "config.web.listen_address": "",
    "config.web.telemetry_path": "",
    "config.log.level": "debug",
}
"""What is wrong above: where, and a word of what is said of it."""


def test_the_schema_refuses_wrong_values_by_their_keys(helm: Path, tmp_path: Path) -> None:
    """All at once, the exporter's own settings included."""
    (tmp_path / "wrong.yaml").write_text(WRONG)
    answer = helm_answers(helm, "template", "a", CHART, "--values", tmp_path / "wrong.yaml")
    assert answer.returncode == 1
    lines = [_named(line) for line in answer.stderr.splitlines()]
    for key, word in NAMED.items():
        assert any(name == key and word in line for name, line in lines), (key, answer.stderr)


ODD = """\
podAnnotations: {"Reloader.Example.com/Auto": "true", "a.b/c_d.e-f": x y, plain: ""}
commonLabels: {"app.kubernetes.io/part-of": x, empty: "", Upper_Case.x: A-b_c.d}
updateStrategy: {rollingUpdate: {maxSurge: 200%, maxUnavailable: 100%}}
statefulSetUpdateStrategy: {rollingUpdate: {partition: 1, maxUnavailable: 25%}}
resources:
  requests: {cpu: 0.5, memory: 1.5Gi, ephemeral-storage: 1e9, example.com/gpu: 1}
  limits: {cpu: 1, memory: 1G}
image: {tag: "v1@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"}
networkPolicy:
  enabled: true
  ingress: {namespaces: [a, "1", kube-system]}
  egress:
    enabled: true
    cidrs: [10.0.0.0/8, 0.0.0.0/0, 255.255.255.255/32, "::/0", "fd00:ec2::23/128"]
ingress:
  enabled: true
  hosts: [{host: "*.a.example"}, {host: ""}, {host: a-b.c1}]
  tls: [{hosts: ["*.a.example"], secretName: a.b}, {}]
httpRoute: {enabled: true, parentRefs: [{name: a, sectionName: b}], hostnames: ["*.a.example"]}
tolerations: [{operator: Exists}, {key: a, effect: NoExecute, tolerationSeconds: 30}]
topologySpreadConstraints: [{maxSkew: 1, topologyKey: a, whenUnsatisfiable: DoNotSchedule}]
extraEnv: [{name: A, value: ""}, {name: B.c-d, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]
podSecurityContext:
  runAsUser: 1000650000
  supplementalGroups: [1]
  seccompProfile: {type: Localhost, localhostProfile: a}
securityContext: {capabilities: {add: [NET_BIND_SERVICE]}, seLinuxOptions: {level: s0}}
prometheusRule:
  enabled: true
  ruleLabels: {team: a b/c, _x: ""}
  alerts: {MacieThrottled: {annotations: {summary: "{{ $labels.job }}"}}}
dashboards: {grafanaOperator: {enabled: true, resyncPeriod: 1h30m}}
serviceMonitor: {enabled: true, interval: 1m, scrapeTimeout: 60s}
dnsConfig: {searches: [a.b], options: [{name: single-request-reopen}]}
verticalPodAutoscaler: {enabled: true, minAllowed: {cpu: 100m}, maxAllowed: {memory: 1Gi}}
"""


def test_what_a_server_takes_is_taken(helm: Path, tmp_path: Path) -> None:
    """However odd it looks."""
    (tmp_path / "odd.yaml").write_text(ODD)
    text = run(helm, "template", "a", CHART, "--values", tmp_path / "odd.yaml")
    assert [line for each in objects(text) for line in complaints(each, NEWEST)] == []


def _named(line: str) -> tuple[str, str]:
    """Return the key that a line of Helm 3 (`a.b: …`) or 4 (`at '/a/b': …`) names."""
    found = re.match(r"\s*- (?:at '/?(?P<path>[^']*)'|(?P<key>\S+)): ", line)
    if not found:
        return "none", line
    return (found["path"] or found["key"] or "").replace("/", ".").replace("(root)", ""), line


READ = (
    "with existingConfig.name set only config.web.listen_address and "
    "config.web.telemetry_path are read: put it into that file"
)
TAKEN = "there is one already, the chart's own or of the values: leave it out, or choose another "
REFUSED = [
    (
        "shards=2,config.shard.total=3",
        "config.shard: the chart sets it for every pod when shards > 1: leave it out",
    ),
    (
        "shards=2,demo.enabled=true",
        "shards: the demo is one process: leave shards at 1, or demo.enabled at false",
    ),
    (
        "config.web.config_file=/a.yaml",
        (
            "config.web.config_file: put the file into a Secret and name it in webConfig.secret, "
            "so that probes and monitors know of TLS"
        ),
    ),
    (
        "webConfig.tls=true",
        (
            "webConfig.tls: is of use only with webConfig.secret, the Secret that holds the web "
            "configuration file"
        ),
    ),
    (
        "config.web.listen_address=127.0.0.1:9000",
        (
            "config.web.listen_address = 127.0.0.1:9000: nothing outside the pod reaches it: "
            "write :9000"
        ),
    ),
    (
        "config.web.listen_address=:0",
        "config.web.listen_address = :0: the Service needs a port that is known: write :10058",
    ),
    ("existingConfig.name=a,config.poll.interval=1m", f"config.poll: {READ}"),
    (
        "existingConfig.name=a,config.web.enable_lifecycle=true",
        f"config.web.enable_lifecycle: {READ}",
    ),
    (
        "service.nodePort=30000",
        "service.nodePort: a Service of type ClusterIP has none: set service.type to NodePort",
    ),
    (
        "livenessProbe.successThreshold=2",
        "livenessProbe.successThreshold: Kubernetes takes only 1 here: leave it out",
    ),
    (
        "updateStrategy.rollingUpdate.maxSurge=0",
        "maxSurge and maxUnavailable are both 0, so that no pod could ever be replaced",
    ),
    (
        "readinessProbe.terminationGracePeriodSeconds=5",
        "readinessProbe.terminationGracePeriodSeconds: a failing readiness ends no container",
    ),
    ("dnsPolicy=None", "dnsPolicy: None needs dnsConfig.nameservers"),
    (
        "extraArgs={--log.level=debug,--web.listen-address=:9000}",
        (
            "extraArgs: --web.listen-address: Service, probes and monitors go by the values: "
            "set config, existingConfig or webConfig instead"
        ),
    ),
    (
        "extraEnv[0].name=A,extraEnv[0].value=a,extraEnv[0].valueFrom.a=b",
        "extraEnv: A: value and valueFrom, of which only one can be",
    ),
    ("shards=2,extraEnv[0].name=POD_NAME", f"extraEnv: POD_NAME: {TAKEN}name"),
    (
        "extraEnv[0].name=MACIE_EXPORTER_WEB__LISTEN_ADDRESS",
        f"extraEnv: MACIE_EXPORTER_WEB__LISTEN_ADDRESS: {TAKEN}name",
    ),
    ("extraEnv[0].name=A,extraEnv[1].name=A", f"extraEnv: A: {TAKEN}name"),
    ("extraVolumes[0].name=config", f"extraVolumes: config: {TAKEN}name"),
    (
        "extraVolumeMounts[0].mountPath=/etc/macie-invitations-exporter",
        f"extraVolumeMounts: /etc/macie-invitations-exporter: {TAKEN}mountPath",
    ),
    (
        "extraContainers[0].name=exporter",
        f"extraContainers, initContainers: exporter: {TAKEN}name",
    ),
    (
        "extraContainers[0].name=a,initContainers[0].name=a",
        f"extraContainers, initContainers: a: {TAKEN}name",
    ),
    (
        "prometheusRule.additionalGroups[0].name=macie-invitations",
        f"prometheusRule.additionalGroups: macie-invitations: {TAKEN}name",
    ),
    (
        "podMonitor.interval=1m,podMonitor.scrapeTimeout=1m1s",
        "podMonitor.scrapeTimeout = 1m1s: longer than the interval (1m), so that Prometheus would",
    ),
    (
        "serviceMonitor.enabled=true,podMonitor.enabled=true",
        (
            "podMonitor.enabled: with serviceMonitor.enabled every pod would be scraped twice: "
            "choose one"
        ),
    ),
    (
        "prometheusRule.alerts.MacieTargetStall.enabled=false",
        "prometheusRule.alerts.MacieTargetStall: no such alert is shipped; there are: ",
    ),
    (
        "prometheusRule.additionalAggregationLabels={cluster,instance}",
        (
            "prometheusRule.additionalAggregationLabels: instance: the rules look after that one "
            "themselves: name labels of whole installations, like cluster"
        ),
    ),
]


@pytest.mark.parametrize(("values", "message"), REFUSED, ids=[values for values, _ in REFUSED])
def test_what_contradicts_itself_is_refused_with_what_to_do(
    helm4: Path, values: str, message: str
) -> None:
    """What no schema can say, or not so that it helps."""
    answer = helm_answers(helm4, "template", "a", CHART, "--set", values)
    assert answer.returncode == 1
    assert message in answer.stderr


def test_the_settings_in_the_schema_have_not_drifted() -> None:
    """`make docs` would change nothing."""
    text = SCHEMA.read_text()
    assert written(text) == text


def test_settings_may_be_left_empty(helm: Path, tmp_path: Path) -> None:
    """As in the exporter's own file: a key whose lines are all commented out has its default."""
    empty = yaml.safe_load("""
    poll: {interval: , concurrency: , stale_after: }
    aws:
      accounts: [{id: "111122223333", name: , role_name: , regions: , labels: }]
      organization: {role_name: a, include_ous: , refresh_interval: }
    metrics: {age_buckets: , zero_fill: , trust_organization: , administrator: , per_invitation: }
    shard:
    web: {listen_address: , telemetry_path: , enable_lifecycle: }
    log: {level: }
    """)
    for number, config in enumerate((empty, dict.fromkeys(empty))):
        file = tmp_path / f"{number}.yaml"
        file.write_text(yaml.safe_dump({"config": config}))
        manifests = objects(run(helm, "template", "a", CHART, "--values", file))
        assert [line for each in manifests for line in complaints(each, NEWEST)] == []


def test_the_schema_has_every_setting_that_a_file_may_hold() -> None:
    """`config` says where the file is: it has no place in it."""
    assert list(definitions()["Settings"]["properties"]) == [
        "poll",
        "aws",
        "metrics",
        "shard",
        "web",
        "log",
    ]


def test_the_schema_knows_just_the_keys_that_there_are() -> None:
    """No value is missing in it, and it has none that values.yaml does not show."""
    schema = json.loads(SCHEMA.read_text())
    schema["properties"]["config"] = {"type": "object"}
    # Of a parent chart's condition.
    del schema["properties"]["enabled"]
    assert _keys_of_schema(schema, schema["$defs"]) == _keys_of_values(
        yaml.safe_load(VALUES.read_text()), schema, schema["$defs"]
    )


def _keys_of_schema(schema: Any, defs: Any) -> dict[str, Any]:
    """Return the tree of keys that a schema names, as far as values.yaml shows them."""
    if _is_probe(schema, defs):
        return {}
    return {
        key: _keys_of_schema(below, defs) for key, below in schema.get("properties", {}).items()
    }


def _is_probe(schema: Any, defs: Any) -> bool:
    """Return whether only some of the keys are shown."""
    return "$ref" in schema and "periodSeconds" in defs[schema["$ref"].split("/")[-1]].get(
        "properties", {}
    )


def _keys_of_values(values: Any, schema: Any, defs: Any) -> dict[str, Any]:
    if not isinstance(values, dict) or "properties" not in schema:
        return {}
    return {
        key: _keys_of_values(below, schema["properties"].get(key, {}), defs)
        for key, below in values.items()
    }


def test_the_readme_has_every_value() -> None:
    """The table is made from the comments; `make docs` would change nothing."""
    text = (CHART / "README.md").read_text()
    assert table_written(text, VALUES.read_text()) == text
    assert "| `shards` | `1` | How many replicas share the accounts." in text


def test_thresholds_are_those_of_the_rules() -> None:
    """Each marked threshold is a value with the same default, and the other way round."""
    marked = {
        name: float(number)
        for file in CHART.glob("files/rules/*.yaml")
        for number, name in re.findall(
            r"(\S+) +# threshold: (\w+)$", file.read_text(), re.MULTILINE
        )
    }
    assert marked == yaml.safe_load(VALUES.read_text())["prometheusRule"]["thresholds"]


def test_the_chart_installs_this_release(helm4: Path) -> None:
    """`appVersion`, the default image, and the images and versions that are announced."""
    assert META["appVersion"] == __version__
    assert META["kubeVersion"] == f">={OLDEST}.0-0"
    assert f"are this one and {NEWEST}." in (CHART / "Chart.yaml").read_text()
    announced = {
        each["name"]: each["image"]
        for each in yaml.safe_load(META["annotations"]["artifacthub.io/images"])
    }
    assert announced == {
        "exporter": exporter(workload(objects(rendered(helm4, "default"))))["image"],
    }


def test_the_changes_announced_are_those_of_the_changelog() -> None:
    """Artifact Hub shows the annotation, people read the file."""
    version = re.escape(META["version"])
    changelog = (CHART / "CHANGELOG.md").read_text()
    section = re.search(rf"(?ms)^## \[{version}\]\n(.*?)(?=^## |\Z)", changelog)
    assert section, f"CHANGELOG.md has no section of {META['version']}"
    listed: list[dict[str, str]] = []
    kind = ""
    for line in section[1].splitlines():
        if line.startswith("### "):
            kind = line.removeprefix("### ").lower()
        elif line.startswith("- "):
            listed.append({"kind": kind, "description": line.removeprefix("- ")})
    assert yaml.safe_load(META["annotations"]["artifacthub.io/changes"]) == listed


@pytest.mark.parametrize("release", ["my.release", "1abc", "12345"])
def test_a_release_that_a_service_cannot_be_named_after_is_refused(
    helm4: Path, release: str
) -> None:
    """Before anything is created; `fullnameOverride` is a way out."""
    answer = helm_answers(helm4, "template", release, CHART)
    assert answer.returncode == 1
    assert f"release name {release}: a Service's name must begin with a letter" in answer.stderr
    assert run(helm4, "template", release, CHART, "--set", "fullnameOverride=a")


def test_a_name_is_cut_to_one(helm4: Path) -> None:
    """However many dashes stand where it is cut."""
    (service,) = of_kind(objects(run(helm4, "template", f"{'a' * 50}--b", CHART)), "Service")
    assert service["metadata"]["name"] == "a" * 50


def test_names_that_look_like_numbers_and_booleans_are_text(helm: Path) -> None:
    """As names of the release, of its namespace, and of what the values name."""
    names = "serviceAccount.name=y,priorityClassName=no,webConfig.secret=on,nameOverride=off"
    for release, namespace, fullname in (("on", "67890", ""), ("12345", "1e3", "true")):
        values = ("--set-string", f"{names},fullnameOverride={fullname}")
        text = run(helm, "template", release, CHART, "--namespace", namespace, *values)
        assert [line for each in objects(text) for line in complaints(each, NEWEST)] == []
        assert {each["metadata"]["namespace"] for each in objects(text)} == {namespace}


def test_large_numbers_are_written_in_full(helm: Path) -> None:
    """A server reads `1e+06` as no whole number."""
    values = "terminationGracePeriodSeconds=1000000,progressDeadlineSeconds=2000000"
    large = (*("--set", values), *("--set", "revisionHistoryLimit=3000000"))
    text = run(helm, "template", "a", CHART, *large)
    assert [line for each in objects(text) for line in complaints(each, NEWEST)] == []


def test_a_parent_chart_may_switch_it_on(helm: Path, tmp_path: Path) -> None:
    """`condition: macie.enabled` puts a key of the parent's among the values.

    Helm has one room for the named templates of all charts: those of others change nothing.
    """
    parent = tmp_path / "parent"
    shutil.copytree(CHART, parent / "charts" / CHART.name)
    depends = {"name": META["name"], "version": META["version"], "alias": "macie"}
    depends["condition"] = "macie.enabled"
    chart = {"apiVersion": "v2", "name": "parent", "version": "1.0.0", "dependencies": [depends]}
    (parent / "Chart.yaml").write_text(yaml.safe_dump(chart))
    (parent / "values.yaml").write_text("macie: {enabled: false}\n")
    (parent / "templates").mkdir()
    others = (
        f'{{{{ define "exporter.{name}" }}}}Not {{{{ end }}}}' for name in ("name", "fullname")
    )
    (parent / "templates" / "_helpers.tpl").write_text("".join(others))
    assert objects(run(helm, "template", "a", parent)) == []
    (service,) = of_kind(
        objects(run(helm, "template", "a", parent, "--set", "macie.enabled=true")), "Service"
    )
    assert service["metadata"]["name"] == "a-macie"


def test_releases_of_one_name_may_meet_in_the_namespace_of_monitoring(helm4: Path) -> None:
    """Names of objects that are put elsewhere carry the release's own namespace."""
    elsewhere = ",".join(
        f"{each}.enabled=true,{each}.namespace=monitoring"
        for each in ("serviceMonitor", "prometheusRule", "dashboards")
    )
    options = ("--set", f"{elsewhere},dashboards.grafanaOperator.enabled=true")
    met = [
        (each["kind"], each["metadata"]["name"])
        for namespace in ("one", "two")
        for each in objects(run(helm4, "template", "a", CHART, "--namespace", namespace, *options))
        if each["metadata"]["namespace"] == "monitoring"
    ]
    assert len(met) == 2 * (1 + 1 + 3 + 3)
    assert len(set(met)) == len(met)


ENABLED = """\
webConfig: {secret: a, tls: true}
ingress: {enabled: true, hosts: [{host: a.example}]}
httpRoute: {enabled: true, parentRefs: [{name: a}]}
serviceMonitor: {enabled: true}
prometheusRule: {enabled: true}
dashboards: {enabled: true, grafanaOperator: {enabled: true}}
networkPolicy: {enabled: true}
podDisruptionBudget: {enabled: true}
verticalPodAutoscaler: {enabled: true}
"""
Key = tuple[str, ...]


def _sections(schema: Any, above: Key = ()) -> Iterator[tuple[Key, Any]]:
    """Return the values that have keys of the chart's own, with their schemas, the whole first."""
    yield above, schema
    for key, below in schema["properties"].items():
        if "properties" in below:
            yield from _sections(below, (*above, key))


def _emptied(paths: Iterable[Key]) -> dict[str, Any]:
    """Return values whose keys are there with nothing behind them, as when all is commented out."""
    values: dict[str, Any] = yaml.safe_load(ENABLED)
    for *above, key in paths:
        place = values
        for each in above:
            place = place.setdefault(each, {})
        place[key] = None
    return values


def _keys(*, required: bool, sections: bool) -> list[Key]:
    """Return the keys that must, or need not, have a value; sections or what is in them."""
    return [
        (*above, key)
        for above, section in _sections(json.loads(SCHEMA.read_text()))
        for key, below in section["properties"].items()
        if (key in section.get("required", ())) == required
        and ("properties" in below) == sections
        and key not in {"enabled", "hosts", "parentRefs", "secret"}
    ]


@pytest.mark.parametrize("sections", [False, True], ids=["values", "sections"])
def test_what_need_not_have_a_value_may_be_left_empty(
    helm: Path, tmp_path: Path, *, sections: bool
) -> None:
    """`config:` with all below it commented out is as good as no `config:`; and so on."""
    empty = _keys(required=False, sections=sections)
    assert (("config",) in empty) == (not sections)
    (tmp_path / "empty.yaml").write_text(yaml.safe_dump(_emptied(empty)))
    text = run(helm, "template", "a", CHART, "--values", tmp_path / "empty.yaml")
    assert [line for each in objects(text) for line in complaints(each, NEWEST)] == []
    (file,) = [
        each for each in of_kind(objects(text), "ConfigMap") if "exporter.yaml" in each["data"]
    ]
    assert file["data"]["exporter.yaml"].strip() == "{}"


@pytest.mark.parametrize("sections", [False, True], ids=["values", "sections"])
def test_what_must_have_a_value_is_named_when_it_has_none(
    helm: Path, tmp_path: Path, *, sections: bool
) -> None:
    """Instead of a template's complaint of nil pointers."""
    empty = _keys(required=True, sections=sections)
    assert len(empty) > 9
    (tmp_path / "empty.yaml").write_text(yaml.safe_dump(_emptied(empty)))
    answer = helm_answers(helm, "template", "a", CHART, "--values", tmp_path / "empty.yaml")
    assert answer.returncode == 1
    lines = [_named(line) for line in answer.stderr.splitlines()]
    for *above, key in empty:
        assert any(name == ".".join(above) and key in line for name, line in lines), answer.stderr
