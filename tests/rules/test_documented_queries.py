"""Queries of the documentation on data where a wrong one would show (`queries/documented.yaml`)."""

import re
from collections.abc import Iterable
from pathlib import Path

import yaml

from tests.rules.rulefile import HERE, Trial, failures

DOCS = HERE.parents[1] / "docs"
QUERIES = yaml.safe_load((HERE / "queries" / "documented.yaml").read_text())


def query(page: str, beginning: str) -> str:
    """Return a query of a page by how it begins."""
    text = (DOCS / page).read_text()
    blocks = re.findall(r"^```promql\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    (found,) = [block for block in blocks if block.startswith(beginning)]
    return str(found)


def samples(lines: Iterable[str], name: str, value: str) -> list[dict[str, str]]:
    """Return series with their values, as promtool calls the two."""
    return [dict(zip((name, value), line.rsplit(" ", 1), strict=True)) for line in lines]


def test_documented_queries_find_what_they_say(promtool: Path, tmp_path: Path) -> None:
    """As pasted from the page."""
    trials = {}
    for what, each in QUERIES.items():
        found = [
            {**one, "value": float(one["value"])}
            for one in samples(each["finds"], "labels", "value")
        ]
        expr = query(each["page"], each["begins"])
        case = {
            "interval": "1m",
            "input_series": samples(each["series"], "series", "values"),
            "promql_expr_test": [{"expr": expr, "eval_time": "0m", "exp_samples": found}],
        }
        trials[what] = Trial([], [case])
    assert failures(promtool, tmp_path, trials) == {}
