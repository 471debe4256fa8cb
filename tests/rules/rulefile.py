"""The shipped rules, and promtool's tests of them: what the tests of both have in common."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.promql import Exposed

HERE = Path(__file__).parent
SHIPPED = HERE.parents[1] / "helm" / "macie-invitations-exporter" / "files" / "rules"
(FILE,) = SHIPPED.glob("*.yaml")
"""One file, and in it one group: its rules rely on their order."""

Rule = Mapping[str, Any]

RECORDED: Exposed = {
    "macie:exporter:known": frozenset(),
    "job:macie_exporter_shards:complete": frozenset({"job"}),
    "macie:alerts:held": frozenset(
        {
            "alertname",
            "aws_account_id",
            "aws_region",
            "job",
            "relationship_status",
            "service",
        }
    ),
}
"""The series that the rules record, with their labels."""


def rules() -> list[Rule]:
    """Give every rule, in its order."""
    (group,) = yaml.safe_load(FILE.read_text())["groups"]
    return list(group["rules"])


def alerts() -> dict[str, Rule]:
    """Give the alerts by name."""
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def cases_of(alert: str) -> Path:
    """Give the file of an alert's tests."""
    return HERE / f"{alert}.yaml"


class _Loader(yaml.SafeLoader):
    """Takes for a number what is one in digits alone, as promtool does: `0x9` is a series."""


_Loader.yaml_implicit_resolvers = {}
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"[1-9][0-9]*$"), None)


def read_cases(path: Path) -> dict[str, Any]:
    """Read a file of promtool's tests, so that it can be written again."""
    return dict(yaml.load(path.read_text(), _Loader))  # noqa: S506 -- a SafeLoader


def outcome(promtool: Path, cases: Path) -> subprocess.CompletedProcess[str]:
    """Run a file of promtool's tests."""
    return subprocess.run(
        [promtool, "test", "rules", cases], capture_output=True, text=True, check=False
    )
