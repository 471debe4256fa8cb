"""The fault matrix in docs/reliability.md: each row has its test, each test of faults its row."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tests.faults.matrix import FAULTS, ODDITIES
from tests.faults.test_fleet import ASSUME, DISCOVERY
from tests.faults.test_processes import SILENT, UNHEARD
from tests.processes import PATIENCE

ROOT = Path(__file__).parents[2]
_ROW = re.compile(r"^\| (.+) \| (.+) \| `(tests/\S+?)::(\w+)(?:\[(.+)\])?` \|$", re.MULTILINE)

TABLES = {
    "test_fault": FAULTS,
    "test_oddity": ODDITIES,
    "test_a_role_that_cannot_be_assumed": ASSUME,
    "test_a_discovery_that_fails_drops_no_target": DISCOVERY,
    "test_a_signal_while_aws_does_not_answer": SILENT,
    "test_a_log_that_cannot_be_written": UNHEARD,
}
"""Tests with a row for each of their cases, which are called as the fault is."""

CODES: Mapping[str, frozenset[str]] = {
    **{name: fault.codes for name, fault in FAULTS.items()},
    **{name: frozenset({code}) for name, (code, _) in ASSUME.items()},
}


class Row(NamedTuple):
    """A fault, the promised behaviour, and the test that holds it; `case` may be empty."""

    fault: str
    promise: str
    file: str
    test: str
    case: str


ROWS = [Row(*found) for found in _ROW.findall((ROOT / "docs" / "reliability.md").read_text())]


def test_every_row_has_its_test() -> None:
    """The test is there, and so is the case that it names; the error codes are those expected."""
    for row in ROWS:
        text = (ROOT / row.file).read_text()
        assert f"def {row.test}(" in text, row
        if row.test in TABLES:
            assert row.case in TABLES[row.test], row
            assert row.case == row.fault, row
        else:
            assert row.case in text, row
        if row.fault in CODES:
            assert set(re.findall(r"`(\w+)`", row.promise)) == CODES[row.fault], row
        if row.test == "test_fault":
            assert ("deadline" in row.promise) == (FAULTS[row.fault].timeout < PATIENCE), row


def test_every_test_of_faults_has_its_row() -> None:
    """Each of their cases too, where those are faults of their own; none stands twice."""
    assert len({row.fault for row in ROWS}) == len(ROWS)
    files = [ROOT / "tests" / "faults" / f"test_{of}.py" for of in ("matrix", "fleet", "processes")]
    tests = {name for file in files for name in re.findall(r"def (test_\w+)\(", file.read_text())}
    expected = {(name, case) for name in tests for case in TABLES.get(name, ("",))}
    assert expected <= {(row.test, row.case) for row in ROWS}
