"""Runs the measurements, prints what was reached, and writes it down.

`python -m benchmarks [--quick] [--only NAME] [--write FILE]`
"""

import argparse
import json
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.goals import HEAD, MEASUREMENTS, reached
from benchmarks.processes import environment
from benchmarks.tables import Results, written
from benchmarks.timing import Figures

RESULTS = Path("build/bench.json")


def main(argv: Sequence[str]) -> None:
    """Measure what is asked for. A missed goal is no error: the machine may be busy or slow."""
    asked = _asked(argv)
    if asked.measure:
        found = MEASUREMENTS[asked.measure](quick=asked.quick)
        sys.stdout.write(json.dumps(found))
        return
    results = json.loads(asked.results.read_text()) if asked.results else _run(asked)
    if results["quick"]:
        sys.stdout.write("--quick: a tenth of the targets and series that the names tell of.\n\n")
    sys.stdout.write(_table(results["figures"]))
    if asked.write:
        text = asked.write.read_text(encoding="utf-8")
        asked.write.write_text(written(text, results), encoding="utf-8")


def _asked(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small numbers, to see that it runs")
    parser.add_argument("--only", action="append", choices=MEASUREMENTS, help="only this one")
    parser.add_argument("--write", type=Path, help="a document whose tables are to be made anew")
    parser.add_argument("--results", type=Path, help="take these instead of measuring")
    parser.add_argument("--measure", choices=MEASUREMENTS, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def _run(asked: argparse.Namespace) -> Results:
    """Measure, each in a process of its own, and keep the results."""
    figures: Figures = {}
    for name in asked.only or MEASUREMENTS:
        began = time.monotonic()
        figures |= _measured(name, quick=asked.quick)
        sys.stderr.write(f"{name}: {time.monotonic() - began:.0f} s\n")
    results: Results = {"quick": asked.quick, **_machine(), "figures": figures}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    sys.stdout.write(f"written to {RESULTS}\n\n")
    return results


def _measured(name: str, *, quick: bool) -> Figures:
    command = [sys.executable, "-m", "benchmarks", "--measure", name]
    command += ["--quick"] if quick else []
    told = subprocess.run(  # noqa: S603 -- our own module
        command, check=True, stdout=subprocess.PIPE, env=environment()
    )
    figures: Figures = json.loads(told.stdout)
    return figures


def _machine() -> dict[str, str]:
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "processor": model,
        "python": platform.python_version(),
    }


def _table(figures: Figures) -> str:
    """Lay the goals out for a terminal."""
    rows = [HEAD, *(found.cells() for found in reached(figures))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        + "\n"
        for row in rows
    )


if __name__ == "__main__":
    main(sys.argv[1:])
