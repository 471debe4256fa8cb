"""The fault matrix in the documentation: each row has a test, and each test of faults a row."""

import os
import subprocess
import sys

from tests.faults.table import PAGE, ROOT, named_in, written


def collected(*paths: str) -> set[str]:
    """Return the names of all tests in some files, as pytest tells them."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *paths],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    return {line for line in done.stdout.splitlines() if "::" in line}


def test_the_page_is_what_the_tests_declare() -> None:
    """`make docs` would change nothing."""
    text = PAGE.read_text()
    assert written(text) == text


def test_every_row_has_its_test_and_every_test_its_row() -> None:
    """By name and parameters; none stands twice."""
    rows = named_in(PAGE.read_text())
    there = collected(*sorted({row.partition("::")[0] for row in rows}))
    assert set(rows) <= there
    assert len(set(rows)) == len(rows)
    kept = ("test_matrix.py", "test_fleet.py", "test_processes.py")
    of_faults = {name for name in there if name.partition("::")[0].endswith(kept)}
    assert {name for name in of_faults if "tests/faults/" in name} <= set(rows)
