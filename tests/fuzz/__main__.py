"""Fuzzes at length: `python -m tests.fuzz [--cases N] [--seed N] [TARGET...]`."""

import argparse
import secrets
import sys

from tests.fuzz.engine import run
from tests.fuzz.targets import TARGETS


def main() -> None:
    """Run every target its share of the cases; end with the bytes that broke one."""
    parser = argparse.ArgumentParser(prog="make fuzz")
    parser.add_argument("--cases", type=int, default=210_000)
    parser.add_argument("--seed", type=int, default=secrets.randbits(32))
    parser.add_argument("targets", nargs="*", choices=[*TARGETS, []])
    arguments = parser.parse_args()
    chosen = [TARGETS[name] for name in arguments.targets or TARGETS]
    whole = sum(target.share for target in chosen)
    sys.stdout.write(f"seed {arguments.seed}\n")
    for target in chosen:
        cases = arguments.cases * target.share // whole
        outcomes = run(target, cases, arguments.seed)
        sys.stdout.write(f"{target.name:<14} {cases:>8} cases {outcomes:>5} outcomes\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
