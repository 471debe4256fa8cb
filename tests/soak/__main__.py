"""Soaks: `python -m tests.soak [--seconds N] [--seed N]`; exit 0 where all that must hold held."""

import argparse
import secrets
import sys

from tests.processes import inherit_default_signals
from tests.soak.run import soak


def main() -> None:
    """Run and tell the figures."""
    parser = argparse.ArgumentParser(prog="make soak")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=secrets.randbits(32))
    arguments = parser.parse_args()
    inherit_default_signals()
    sys.stdout.write(f"seed {arguments.seed}\n")
    sys.stdout.flush()
    for name, value in soak(arguments.seconds, arguments.seed)._asdict().items():
        sys.stdout.write(f"{name:<10} {value}\n")


if __name__ == "__main__":
    main()
