"""All tests, in two lanes: `python -m tests [OPTION...]`.

Those that share the machine, several at once, the slow ones first; then, alone, those that want it
for themselves. Coverage is that of both together, and so is the closing line. Options go to pytest
in both lanes.
"""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

REPORTS = Path("build/tests")
NO_TESTS = 5
"""pytest's exit code where a lane has none, as where options choose a few."""


def main(options: Sequence[str]) -> int:
    """Run both lanes, whatever comes of the first; return an exit code."""
    REPORTS.mkdir(parents=True, exist_ok=True)
    # Twice as many as processors: tests wait for processes, sockets and timeouts most of the time.
    workers = 2 * (os.cpu_count() or 1)
    shared = (
        f"--numprocesses={workers}",
        "--dist=loadfile",
        "--no-loadscope-reorder",
        "--cov-report=",
        "--cov-fail-under=0",
    )
    codes = [
        lane("shared", "not alone", "--cov", *shared, *options),
        lane("alone", "alone", "--cov", "--cov-append", *options),
    ]
    counts = sum((count(report) for report in REPORTS.glob("*.xml")), Counter())
    failed, skipped = counts["failures"] + counts["errors"], counts["skipped"]
    passed = counts["tests"] - failed - skipped
    sys.stdout.write(f"tests: {passed} passed, {failed} failed, {skipped} skipped\n")
    return next((code for code in codes if code not in (0, NO_TESTS)), 0)


def lane(name: str, marked: str, *options: str) -> int:
    """Run the tests that are marked so; return pytest's exit code."""
    report = REPORTS / f"{name}.xml"
    report.unlink(missing_ok=True)
    pytest = [sys.executable, "-m", "pytest", f"-m={marked}", f"--junitxml={report}"]
    return subprocess.run([*pytest, *options], check=False).returncode


def count(report: Path) -> Counter[str]:
    """Count the outcomes in a report of pytest's, under its own words for them."""
    suites = list(ET.parse(report).iter("testsuite"))  # noqa: S314 -- our own
    words = ("tests", "failures", "errors", "skipped")
    return Counter({word: sum(int(suite.get(word, 0)) for suite in suites) for word in words})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
