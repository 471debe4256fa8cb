"""The shipped rules, and promtool's tests of them: what the tests of both have in common."""

import functools
import json
import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.helm.charts import CHART
from tests.promql import Exposed

HERE = Path(__file__).parent
(FILE,) = CHART.glob("files/rules/*.yaml")
"""One file, and in it one group: its rules rely on their order."""

Rule = Mapping[str, Any]
Case = Mapping[str, Any]

HELD_WITH = "alertname job service aws_account_id aws_region relationship_status inviter_account_id"
RECORDED: Exposed = {
    "macie:exporter:known": frozenset(),
    "macie:job:seen_timestamp_seconds": frozenset({"job"}),
    "job:macie_exporter_shards:complete": frozenset({"job"}),
    "macie:alerts:held": frozenset(HELD_WITH.split()),
}
"""The series that the rules record, with their labels."""

HOLDS = {"MacieJobGone": {"MacieUntrustedInvitation"}}
"""Alerts that are about other alerts, and those that their cases fire."""


@functools.cache
def rules() -> tuple[Rule, ...]:
    """Return every rule, in its order."""
    (group,) = yaml.safe_load(FILE.read_text())["groups"]
    return tuple(group["rules"])


def alerts() -> dict[str, Rule]:
    """Return the alerts by name."""
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def name_of(rule: Rule) -> str:
    """Return what a rule alerts or records."""
    return str(rule.get("alert") or rule["record"])


def needed(alert: str, of: Sequence[Rule] = ()) -> list[Rule]:
    """Return an alert with the rules that it needs, of the shipped rules or of others."""
    wanted = {alert, *HOLDS.get(alert, ())}
    kept: list[Rule] = []
    # What a rule asks for is recorded before it.
    for rule in reversed(of or rules()):
        if name_of(rule) in wanted or ("record" in rule and rule["record"] in json.dumps(kept)):
            kept.insert(0, rule)
    return kept


class _Loader(yaml.CSafeLoader):
    """Takes for a number what is one in digits alone, as promtool does: `0x9` is a series."""


_Loader.yaml_implicit_resolvers = {}
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"[1-9][0-9]*$"), None)


@functools.cache
def read_cases(path: Path) -> tuple[Case, ...]:
    """Read promtool's tests of a file, so that they can be written again."""
    read = yaml.load(path.read_text(), _Loader)["tests"]  # noqa: S506 -- a SafeLoader
    return tuple({**case, "input_series": case["input_series"] or []} for case in read)


def cases(alert: str) -> tuple[Case, ...]:
    """Return an alert's cases, the shortest first."""
    return tuple(sorted(read_cases(HERE / f"{alert}.yaml"), key=minutes))


def queries(text: str) -> list[str]:
    """Return the queries of a template, with something in each place that is filled in."""
    found = re.findall(r'printf "([^"]*)"[^|}]*\| query', text, re.DOTALL)
    assert len(found) == text.count("query")
    return [query.replace("%s", "x") for query in found]


def minutes(case: Case) -> int:
    """Return when the last thing is looked at."""
    units = {"m": 1, "h": 60, "d": 1440}
    looks = [*case.get("alert_rule_test", ()), *case.get("promql_expr_test", ())]
    return max(
        sum(int(number) * units[unit] for number, unit in re.findall(r"(\d+)([mhd])", time))
        for time in (str(each["eval_time"]) for each in looks)
    )


@dataclass(frozen=True, slots=True)
class Trial:
    """Cases, and the rules that they are tried on."""

    rules: Sequence[Rule]
    cases: Sequence[Case]

    @property
    def interval(self) -> str:
        """How often rules are evaluated: of days as seldom as they allow, which costs a quarter."""
        return "4m" if all(minutes(case) > 1000 for case in self.cases) else "1m"


def failures(promtool: Path, folder: Path, trials: Mapping[str, Trial]) -> dict[str, str]:
    """Return what promtool says of the trials that fail: one process for all of them."""
    files = {name: folder / f"cases-{number}.yaml" for number, name in enumerate(trials)}
    for name, trial in trials.items():
        group = {"name": "tried", "interval": trial.interval, "rules": list(trial.rules)}
        tried = files[name].with_suffix(".rules")
        tried.write_text(json.dumps({"groups": [group]}))
        tests = {"rule_files": [tried.name], "evaluation_interval": trial.interval}
        files[name].write_text(json.dumps({**tests, "tests": trial.cases}))
    done = subprocess.run(
        [promtool, "test", "rules", *files.values()],
        # Go collects the garbage of a small heap all the time.
        env={**os.environ, "GOGC": "400"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    told = dict(
        re.findall(
            r"^Unit Testing:  (.*)\n((?:(?!Unit Testing: ).*\n)*)", done.stdout, re.MULTILINE
        )
    )
    assert told.keys() == {str(file) for file in files.values()}, done.stdout
    return {
        name: told[str(file)]
        for name, file in files.items()
        if told[str(file)].strip() != "SUCCESS"
    }


def unnoticed(
    promtool: Path, folder: Path, broken: Mapping[str, Sequence[Rule]], cases: Iterable[Case]
) -> list[str]:
    """Return which of several broken sets of rules no case notices, each tried until one does."""
    left = dict(broken)
    for case in cases:
        if not left:
            break
        noticed = failures(
            promtool, folder, {what: Trial(tried, [case]) for what, tried in left.items()}
        )
        left = {what: tried for what, tried in left.items() if what not in noticed}
    return sorted(left)
