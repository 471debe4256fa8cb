"""What is rendered would be taken by a strict API server, and does what it is for."""

import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.commands import Process, main
from tests.helm.charts import (
    CASES,
    CHART,
    Manifest,
    chart_with,
    exporter,
    flags,
    objects,
    of_kind,
    pods,
    rendered,
    run,
    variables,
    workload,
)
from tests.helm.kubernetes import NEWEST, OLDEST, complaints
from tests.processes import no_aws, running, started
from tests.web.pki import Authority
from tests.web.secured import hashed

Said = tuple[int, str]
Web = dict[str, Any]
NOTHING: Mapping[str, str] = {}


@pytest.mark.parametrize(
    ("case", "dashboards"),
    [*((case, NOTHING) for case in CASES), ("servicemonitor", {"Of_mine.json": "{{ legend }}"})],
    ids=[*CASES, "a dashboard of the user's own"],
)
def test_every_object_is_such_as_a_server_takes(
    helm4: Path, tmp_path: Path, case: str, dashboards: Mapping[str, str]
) -> None:
    """Without unknown keys, in the oldest and the newest version of Kubernetes supported.

    And what no schema says: DNS names, labels of at most 63 characters, no object twice; selectors,
    which are immutable, of these labels alone. Dashboards that users put beside the shipped ones
    are among the objects, as they are.
    """
    files = {f"files/dashboards/{name}": text for name, text in dashboards.items()}
    chart = chart_with(tmp_path, files) if files else CHART
    manifests = objects(rendered(helm4, case, chart=chart))
    for version in (OLDEST, NEWEST):
        assert [line for each in manifests for line in complaints(each, version)] == []
    named = [(each["kind"], each["metadata"]["name"]) for each in manifests]
    assert len(set(named)) == len(named)
    assert [name for _, name in named if not DNS_LABEL.fullmatch(name)] == []
    owner = workload(manifests)
    # The pods of a StatefulSet bear its name and eleven characters more as a label.
    assert len(owner["metadata"]["name"]) <= 63 - 11
    metadata = [*(each["metadata"] for each in manifests), owner["spec"]["template"]["metadata"]]
    labels = [value for each in metadata for value in each.get("labels", {}).values()]
    assert [value for value in labels if not LABEL.fullmatch(value)] == []
    assert owner["spec"]["selector"]["matchLabels"].keys() == SELECTOR
    made = [each["data"].items() for each in of_kind(manifests, "ConfigMap")]
    assert dashboards.items() <= {file for files in made for file in files}


SELECTOR = {"app.kubernetes.io/name", "app.kubernetes.io/instance"}
DNS_LABEL = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
LABEL = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")


@pytest.mark.parametrize("case", CASES)
def test_pods_are_restricted_and_get_no_token(helm4: Path, case: str) -> None:
    """Pod Security "restricted"; beyond it a read-only root, and nothing of Kubernetes'.

    https://kubernetes.io/docs/concepts/security/pod-security-standards/
    """
    for pod in pods(objects(rendered(helm4, case))):
        context = pod["securityContext"]
        assert context.items() >= RESTRICTED_POD.items()
        assert context.keys() - RESTRICTED_POD.keys() <= {"fsGroup", "runAsUser"}
        assert context.get("runAsUser") != 0
        assert pod.keys() & {"hostNetwork", "hostPID", "hostIPC", "hostProcess"} == set()
        volumes = {key for volume in pod.get("volumes", []) for key in volume.keys() - {"name"}}
        assert volumes <= {"configMap", "projected", "secret"}
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        for one in (*pod.get("initContainers", []), *pod["containers"]):
            ours = {"readOnlyRootFilesystem": True} if one["name"] in {"exporter", "test"} else {}
            assert one["securityContext"] == RESTRICTED | ours, one["name"]
            assert [port for port in one.get("ports", []) if "hostPort" in port] == []


RESTRICTED_POD = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
RESTRICTED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def test_a_service_monitor_selects_one_service(helm4: Path) -> None:
    """With shards there are two, which would scrape every pod twice; whatever labels all have."""
    common = r"commonLabels.app\.kubernetes\.io/component=security,commonLabels.release=other"
    own = "serviceMonitor.labels.release=kube-prometheus-stack"
    manifests = objects(rendered(helm4, "shards", "--set", f"{common},{own}"))
    (monitor,) = of_kind(manifests, "ServiceMonitor")
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    services = of_kind(manifests, "Service")
    assert len(services) == 2
    (selected,) = [each for each in services if each["metadata"]["labels"].items() >= wanted]
    assert selected["metadata"]["name"] == "macie-invitations-exporter"
    assert monitor["metadata"]["labels"]["release"] == "kube-prometheus-stack"
    assert workload(manifests)["spec"]["serviceName"] in {
        each["metadata"]["name"] for each in services if each is not selected
    }


def test_pods_restart_for_another_configuration_and_only_then(helm4: Path, tmp_path: Path) -> None:
    """The checksum is that of the file; a new chart version leaves pods and selectors alone."""
    text = (CHART / "Chart.yaml").read_text()
    newer = {"Chart.yaml": re.sub(r"(?m)^version: .*", "version: 9.8.7", text)}

    def owner(*arguments: str, chart: Path = CHART) -> Manifest:
        return workload(objects(rendered(helm4, "accounts", *arguments, chart=chart)))

    def checksum(*arguments: str) -> str:
        template = owner(*arguments)["spec"]["template"]
        return str(template["metadata"]["annotations"]["checksum/config"])

    (written,) = of_kind(objects(rendered(helm4, "accounts")), "ConfigMap")
    text = written["data"]["exporter.yaml"].rstrip("\n")
    assert checksum() == hashlib.sha256(text.encode()).hexdigest()
    assert checksum("--set", "config.poll.interval=2m") != checksum()
    others = "image.tag=v9,commonLabels.a=b,serviceAccount.annotations.a=b,service.port=80"
    assert checksum("--set", others) == checksum()
    assert owner(chart=chart_with(tmp_path, newer))["spec"] == owner()["spec"]


@pytest.mark.parametrize("case", CASES)
def test_the_exporter_takes_what_is_rendered(helm4: Path, case: str, tmp_path: Path) -> None:
    """Its own `check` loads the file, with the flags and the variables of each pod."""
    manifests = objects(rendered(helm4, case))
    owner = workload(manifests)
    # As cert-manager would.
    pair = Authority().sign()
    (tmp_path / "tls.crt").write_text(pair.certificate)
    (tmp_path / "tls.key").write_text(pair.key)
    words = ["check", *flags(exporter(owner), manifests, tmp_path)]
    numbers = []
    for ordinal in range(owner["spec"]["replicas"]):
        environ = variables(exporter(owner), f"macie-invitations-exporter-{ordinal}")
        # The demo has an AWS, and so a region, of its own.
        environ |= {"AWS_REGION": "eu-west-1"} if case == "demo" else {}
        out, err = io.StringIO(), io.StringIO()
        assert (main(words, Process(environ, out, err)), err.getvalue()) == (0, "")
        (targets,) = re.findall(r"(?m)^# targets: (.*)$", out.getvalue())
        (web,) = re.findall(r"(?m)^# web: (.*)$", out.getvalue())
        numbers.append(targets)
        settings = yaml.safe_load(out.getvalue())["web"]
        expected = {"web": "http", "listen_address": ":10058", "telemetry_path": "/metrics"}
        assert {**settings, "web": web}.items() >= {**expected, **SERVED.get(case, {})}.items()
    assert numbers == TARGETS.get(case, ["1"])


SERVED = {
    "authentication": {"web": "https, basic authentication"},
    "demo": {"listen_address": ":9090"},
    "existing-config": {"listen_address": "0.0.0.0:9000", "telemetry_path": "/own/metrics"},
    "servicemonitor": {"telemetry_path": "/macie"},
    "tls": {"web": "https"},
}
UNKNOWN = (
    "unknown before the organization is asked for its accounts; "
    "--assume-accounts=500 counts 500 of them"
)
TARGETS = {
    "accounts": ["21 (regions `auto` count as 17)"],
    "organization": [UNKNOWN],
    # Seven accounts in two regions.
    "shards": ["6 (in shard 0 of 3)", "4 (in shard 1 of 3)", "4 (in shard 2 of 3)"],
}
"""What is polled by each pod; elsewhere one pod polls one target."""


def test_the_demo_serves_where_the_chart_says(helm4: Path, tmp_path: Path) -> None:
    """Also beside a configuration that the chart does not see; it hands no variables on."""
    manifests = objects(rendered(helm4, "existing-config", "--set", "demo.enabled=true"))
    container = exporter(workload(manifests))
    listening = re.compile(r"^(--web\.listen-address=).*")
    given = flags(container, manifests, tmp_path)
    words = [listening.sub(r"\g<1>127.0.0.1:0", each) for each in given]
    (tmp_path / "production.yaml").write_text("log: {level: info}")
    variables_ = variables(container, "macie-invitations-exporter-0")
    with started([sys.executable, "-m", "exporter", "demo", *words], variables_) as demo:
        demo.wait_until_ready()
        (monitor,) = of_kind(manifests, "PodMonitor")
        path = monitor["spec"]["podMetricsEndpoints"][0]["path"]
        (tests,) = of_kind(manifests, "Pod")
        url = f"http://127.0.0.1:{demo.port}{path}"
        assert helm_test(tests["spec"]["containers"][0], url) == (0, "")


VERIFYING = {"client_auth_type": "RequireAndVerifyClientCert", "client_ca_file": "ca.crt"}


@pytest.mark.parametrize(
    ("tls", "web", "said"),
    [
        ({}, {}, ((0, ""), (1, "lets in anybody"))),
        ({}, {"basic_auth_users": {"a": hashed("b")}}, ((1, "HTTP Error 401"), (0, ""))),
        (VERIFYING, {}, ((1, "does not answer"), (0, ""))),
    ],
    ids=["open", "password", "certificate"],
)
def test_the_helm_test_sees_whether_it_is_closed(
    helm4: Path, tmp_path: Path, tls: Web, web: Web, said: tuple[Said, Said]
) -> None:
    """Over TLS that it need not trust, without password or certificate: as it is, and should be."""
    authority = Authority()
    (tmp_path / "ca.crt").write_text(authority.pem)
    certificate, key = authority.sign().write(tmp_path, "tls")
    tls = {"cert_file": str(certificate), "key_file": str(key), **tls}
    (tmp_path / "web.yaml").write_text(yaml.safe_dump({"tls_server_config": tls, **web}))
    pod = of_kind(objects(rendered(helm4, "tls")), "Pod")[0]
    web_file = f"--web.config-file={tmp_path / 'web.yaml'}"
    with running(no_aws(tmp_path), [web_file]) as served:
        url = f"https://127.0.0.1:{served.port}/metrics"
        for more, (ends, told) in zip((NOTHING, {"AUTHENTICATION": "true"}), said, strict=True):
            code, error = helm_test(pod["spec"]["containers"][0], url, more)
            assert (code, told in error) == (ends, True), error


def helm_test(container: Manifest, url: str, more: Mapping[str, str] = NOTHING) -> tuple[int, str]:
    """Run what the pod of `helm test` runs, on another URL."""
    command = [sys.executable, *container["command"][1:]]
    environ = {"PATH": os.defpath, "URL": url, "NO_PROXY": "*", **more}
    answer = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    return answer.returncode, answer.stderr


def test_prometheus_takes_what_values_make_of_rules(
    helm4: Path, promtool: Path, tmp_path: Path
) -> None:
    """Labels, thresholds and groups of the user's own."""
    (changed,) = of_kind(objects(rendered(helm4, "servicemonitor")), "PrometheusRule")
    (tmp_path / "rendered.yaml").write_text(yaml.safe_dump(changed["spec"]))
    run(promtool, "check", "rules", tmp_path / "rendered.yaml")


def test_the_package_holds_the_chart_without_its_tests(helm: Path, tmp_path: Path) -> None:
    """`helm lint` has not even a warning; what `helm package` packs still renders."""
    assert run(helm, "lint", "--strict", "--quiet", CHART).strip() == ""
    run(helm, "package", CHART, "--destination", tmp_path)
    (package,) = tmp_path.iterdir()
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert package.name == f"macie-invitations-exporter-{chart['version']}.tgz"
    with tarfile.open(package) as archive:
        packed = {member.name for member in archive if member.isfile()}
    kept = {str(path.relative_to(CHART)) for path in CHART.rglob("*") if path.is_file()}
    assert packed == {f"{CHART.name}/{name}" for name in kept if not name.startswith("ci/")}
    assert rendered(helm, "accounts", chart=package) == rendered(helm, "accounts")
