"""Configurations in the documents are loaded by what they are for."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from exporter.commands import Process, main
from exporter.settings import Settings
from exporter.web.config import WebFile, read_web_file
from tests.conftest import require
from tests.docs.documents import CHART, Block, blocks
from tests.helm.charts import objects, of_kind, run
from tests.helm.conftest import require_tool

RULES = CHART / "files" / "rules" / "macie-invitations.rules.yaml"
OF_PROMETHEUS = {"global", "scrape_configs", "rule_files", "alerting", "groups"}
OF_THE_CHART = set(yaml.safe_load((CHART / "values.yaml").read_text()))
OF_THE_EXPORTER = set(Settings.model_fields) - {"config"}


def check(file: Path) -> None:
    """Have the exporter load its configuration."""
    err = io.StringIO()
    process = Process({"AWS_REGION": "eu-west-1"}, io.StringIO(), err)
    assert main(["check", f"--config.file={file}"], process) == 0, err.getvalue()


def _by_promtool(file: Path) -> None:
    (file.parent / RULES.name).write_text(RULES.read_text())
    what = "rules" if "groups" in yaml.safe_load(file.read_text()) else "config"
    run(require("promtool"), "check", what, file)


def _by_the_chart(file: Path) -> None:
    text = run(require_tool("helm4"), "template", "macie", CHART, "--values", file)
    for each in of_kind(objects(text), "ConfigMap"):
        if "exporter.yaml" in each["data"]:
            file.write_text(each["data"]["exporter.yaml"])
            check(file)


def _by_the_web_file(file: Path) -> None:
    """Read what is written; certificates are not there, and a hash stands for one."""
    file.write_text(file.read_text().replace("$2y$10$…", "$2y$10$" + "e" * 53))
    read_web_file(str(file), Path.read_bytes)


KINDS: tuple[tuple[set[str], Callable[[Path], None]], ...] = (
    (OF_THE_EXPORTER, check),
    (set(WebFile.model_fields), _by_the_web_file),
    (OF_PROMETHEUS, _by_promtool),
    (OF_THE_CHART, _by_the_chart),
)


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
def test_yaml(block: Block, tmp_path: Path) -> None:
    """Its keys say whose it is: the exporter's, Prometheus', its rules' or the chart's."""
    keys = set(yaml.safe_load(block.text))
    loaders = [load for known, load in KINDS if keys <= known]
    assert loaders, f"nothing reads {sorted(keys)}"
    file = tmp_path / "block.yaml"
    file.write_text(block.text)
    loaders[0](file)


@pytest.mark.parametrize("block", blocks("json"), ids=str)
def test_json(block: Block) -> None:
    """Policies are JSON, with the keys of IAM's language."""
    policy = json.loads(block.text)
    assert policy["Version"] == "2012-10-17"
    for statement in policy["Statement"]:
        assert statement.keys() <= {"Effect", "Principal", "Action", "Resource", "Condition"}
        assert statement.keys() >= {"Effect", "Action"}


def test_every_block_has_a_language() -> None:
    """That of somebody here who looks at it: one without, or with another, would go unseen."""
    languages = ("yaml", "json", "promql", "console", "sh", "text")
    assert [str(block) for block in blocks() if block.language not in languages] == []
    assert len(blocks(*languages)) > 80
