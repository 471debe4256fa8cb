"""Fuzzes at length: `python -m tests.fuzz [--cases N] [--seed N] [TARGET...]`."""

import argparse
import secrets
import sys
from pathlib import Path

from tests.fuzz.engine import FOUND, FindingError, run
from tests.fuzz.targets import TARGETS


def main() -> int:
    """Run every target its share of the cases; exit 1 with the bytes that broke one."""
    parser = argparse.ArgumentParser(prog="make fuzz")
    parser.add_argument("--cases", type=int, default=210_000)
    parser.add_argument("--seed", type=int, default=secrets.randbits(32))
    parser.add_argument("targets", nargs="*", choices=[*TARGETS, []])
    arguments = parser.parse_args()
    chosen = [TARGETS[name] for name in arguments.targets or TARGETS]
    whole = sum(target.share for target in chosen)
    sys.stdout.write(f"seed {arguments.seed}\n")
    for target in chosen:
        try:
            report = run(target, arguments.cases * target.share // whole, arguments.seed)
        except FindingError as finding:
            _kept(FOUND / target.name, finding)
            raise
        sys.stdout.write(
            f"{target.name:<14} {report.cases:>8} cases {report.outcomes:>5} outcomes "
            f"{report.seconds:>7.1f} s\n"
        )
        sys.stdout.flush()
    return 0


def _kept(folder: Path, finding: FindingError) -> None:
    """Keep what was found, under the name that the finding gives."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / finding.name).write_bytes(finding.data)


if __name__ == "__main__":
    sys.exit(main())
