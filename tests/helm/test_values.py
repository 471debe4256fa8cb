"""Values: each is described, what is wrong is refused by its name, what a server takes is taken.

`values/` holds what is refused, with what is said of it, and what is taken.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter import __version__
from tests.helm.charts import (
    CHART,
    chart_with,
    exporter,
    helm_answers,
    objects,
    of_kind,
    rendered,
    run,
    workload,
)
from tests.helm.kubernetes import NEWEST, OLDEST, complaints
from tools.schema import written
from tools.values_table import written as table_written

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
VALUES = (CHART / "values.yaml").read_text()
SHOWN = yaml.safe_load(VALUES)
META = yaml.safe_load((CHART / "Chart.yaml").read_text())
CORPUS = Path(__file__).parent / "values"
WRONG = yaml.safe_load((CORPUS / "wrong.yaml").read_text())
CONTRADICTIONS = yaml.safe_load((CORPUS / "contradictions.yaml").read_text())


def values_at(places: Mapping[str, object]) -> list[str]:
    """Return the flags for values at dotted places; what has a number for a key is a list."""
    dotted = {re.sub(r"\.(\d+)\b", r"[\1]", where): value for where, value in places.items()}
    return [f"--set-json={where}={json.dumps(value)}" for where, value in dotted.items()]


def refusals(helm: Path, values: Iterable[str]) -> list[tuple[str, str]]:
    """Return the keys of values that are refused, each with the line that says so."""
    answer = helm_answers(helm, "template", "a", CHART, *values)
    assert answer.returncode == 1
    # Helm 3 says `a.b: …`, Helm 4 `at '/a/b': …`.
    named = r"(?m)^\s*- (?:at '/?([^']*)'|(\S+)): (.*)$"
    return [
        ((path or key).replace("/", ".").replace("(root)", ""), text)
        for path, key, text in re.findall(named, answer.stderr)
    ]


def test_the_schema_refuses_wrong_values_by_their_keys(helm: Path) -> None:
    """All at once, the exporter's own settings included."""
    wrong = {where: value for where, (value, _) in WRONG["wrong"].items()}
    values = values_at({**WRONG["beside"], **wrong, **WRONG["unknown"]})
    said = refusals(helm, values)
    expected = [(where, word) for where, (_, word) in WRONG["wrong"].items()]
    expected += [where.rpartition(".")[::2] for where in WRONG["unknown"]]
    for where, word in expected:
        assert any(name == where and word in text for name, text in said), (where, said)


@pytest.mark.parametrize("values", CONTRADICTIONS)
def test_what_contradicts_itself_is_refused_with_what_to_do(helm4: Path, values: str) -> None:
    """What no schema can say, or not so that it helps."""
    answer = helm_answers(helm4, "template", "a", CHART, "--set", values)
    assert answer.returncode == 1
    assert CONTRADICTIONS[values] in answer.stderr


def test_what_a_server_takes_is_taken(helm: Path, tmp_path: Path) -> None:
    """However odd it looks, as names of the release and of its namespace do."""
    for number, values in enumerate((CORPUS / "odd.yaml").read_text().split("\n---\n")):
        file = tmp_path / f"{number}.yaml"
        file.write_text(values)
        text = run(helm, "template", "on", CHART, "--namespace", "1e3", "--values", file)
        assert [line for each in objects(text) for line in complaints(each, NEWEST)] == []
        assert {each["metadata"]["namespace"] for each in objects(text)} == {"1e3"}


SWITCHED_ON = (
    "ingress httpRoute serviceMonitor prometheusRule dashboards dashboards.grafanaOperator"
    " networkPolicy podDisruptionBudget verticalPodAutoscaler"
)
ENABLED = {
    **{f"{each}.enabled": True for each in SWITCHED_ON.split()},
    "webConfig.secret": "a",
    "webConfig.tls": True,
    "ingress.hosts": [{"host": "a.example"}],
    "httpRoute.parentRefs": [{"name": "a"}],
}
"""So that all is rendered."""


def keys(schema: Any, above: str = "") -> Iterator[tuple[str, bool, bool]]:
    """Yield each key of the chart's own: whether it must have a value, and whether it is a section.

    What ENABLED needs is left out.
    """
    for key, below in schema["properties"].items():
        if key not in {"enabled", "hosts", "parentRefs", "secret"}:
            yield f"{above}{key}", key in schema.get("required", ()), "properties" in below
        if "properties" in below:
            yield from keys(below, f"{above}{key}.")


def emptied(*, required: bool, sections: bool) -> tuple[list[str], list[str]]:
    """Return keys, and values in which there is nothing behind them: all is commented out."""
    empty = [key for key, *kind in keys(SCHEMA) if kind == [required, sections]]
    above = tuple(f"{key}." for key in empty)
    kept = {where: value for where, value in ENABLED.items() if not where.startswith(above)}
    return empty, values_at({**kept, **dict.fromkeys(empty)})


@pytest.mark.parametrize("sections", [False, True], ids=["values", "sections"])
def test_a_key_with_nothing_behind_it(helm: Path, *, sections: bool) -> None:
    """`config:` with all below it commented out is as good as no `config:`; and so on.

    What must have a value is named, instead of a template's complaint of nil pointers.
    """
    empty, values = emptied(required=False, sections=sections)
    assert ("config" in empty) == (not sections)
    made = objects(run(helm, "template", "a", CHART, *values))
    assert [line for each in made for line in complaints(each, NEWEST)] == []
    texts = [each["data"].get("exporter.yaml") for each in of_kind(made, "ConfigMap")]
    assert "{}" in [text.strip() for text in texts if text]
    empty, values = emptied(required=True, sections=sections)
    assert len(empty) > 9
    said = refusals(helm, values)
    for where in empty:
        above, _, key = where.rpartition(".")
        assert any(name == above and key in text for name, text in said), (where, said)


def test_nothing_that_is_made_has_drifted() -> None:
    """`make docs` would change neither the settings in the schema nor the README's table."""
    schema = (CHART / "values.schema.json").read_text()
    assert written(schema) == schema
    readme = (CHART / "README.md").read_text()
    assert table_written(readme, VALUES) == readme
    assert "| `shards` | `1` | How many replicas share the accounts." in readme


def test_every_key_of_the_schema_is_shown_in_the_values() -> None:
    """The other way round, helm refuses the chart's own values."""
    # Of a parent chart's condition; the exporter's settings; probes show what has a default.
    hidden = ("enabled", "config.", "livenessProbe.", "readinessProbe.", "startupProbe.")
    for where, *_ in keys(SCHEMA):
        if not where.startswith(hidden):
            place = SHOWN
            for key in where.split("."):
                place = place[key]


def test_thresholds_are_those_of_the_rules() -> None:
    """Each marked threshold is a value with the same default, and the other way round."""
    marked = {
        name: float(number)
        for file in CHART.glob("files/rules/*.yaml")
        for number, name in re.findall(r"(?m)(\S+) +# threshold: (\w+)$", file.read_text())
    }
    assert marked == SHOWN["prometheusRule"]["thresholds"]


def test_the_chart_says_what_it_installs(helm4: Path) -> None:
    """Its release, on which Kubernetes, which image, and what has changed in it."""
    assert META["appVersion"] == __version__
    assert META["kubeVersion"] == f">={OLDEST}.0-0"
    assert f"are this one and {NEWEST}." in (CHART / "Chart.yaml").read_text()
    announced = META["annotations"]
    (image,) = yaml.safe_load(announced["artifacthub.io/images"])
    assert image["image"] == exporter(workload(objects(rendered(helm4, "default"))))["image"]
    changelog = (CHART / "CHANGELOG.md").read_text()
    section = changelog.partition(f"## [{META['version']}]\n")[2].partition("\n## ")[0]
    listed = [
        {"kind": part.partition("\n")[0].lower(), "description": text}
        for part in section.split("### ")[1:]
        for text in re.findall(r"(?m)^- (.*)$", part)
    ]
    assert listed
    assert yaml.safe_load(announced["artifacthub.io/changes"]) == listed


def test_services_can_be_named_after_a_release(helm4: Path) -> None:
    """Else it is refused before anything is created: `fullnameOverride` is a way out.

    A name is cut to a right one, however many dashes stand where it is cut.
    """
    for release in ("my.release", "1abc", "12345"):
        answer = helm_answers(helm4, "template", release, CHART)
        assert answer.returncode == 1
        assert f"release name {release}: a Service's name must begin with a letter" in answer.stderr
        assert run(helm4, "template", release, CHART, "--set", "fullnameOverride=a")
    (service,) = of_kind(objects(run(helm4, "template", f"{'a' * 50}--b", CHART)), "Service")
    assert service["metadata"]["name"] == "a" * 50


def test_a_parent_chart_may_switch_it_on(helm: Path, tmp_path: Path) -> None:
    """`condition: macie.enabled` puts a key of the parent's among the values.

    Helm has one room for the named templates of all charts: those of others change nothing.
    """
    depends = {"name": META["name"], "version": META["version"], "alias": "macie"}
    depends["condition"] = "macie.enabled"
    chart = {"apiVersion": "v2", "name": "parent", "version": "1.0.0", "dependencies": [depends]}
    others = [
        f'{{{{ define "exporter.{name}" }}}}Not {{{{ end }}}}' for name in ("name", "fullname")
    ]
    parent = tmp_path / "parent"
    chart_with(parent / "charts", {})
    (parent / "templates").mkdir()
    (parent / "Chart.yaml").write_text(yaml.safe_dump(chart))
    (parent / "values.yaml").write_text("macie: {enabled: false}\n")
    (parent / "templates" / "_helpers.tpl").write_text("".join(others))
    assert objects(run(helm, "template", "a", parent)) == []
    made = objects(run(helm, "template", "a", parent, "--set", "macie.enabled=true"))
    assert [each["metadata"]["name"] for each in of_kind(made, "Service")] == ["a-macie"]


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
