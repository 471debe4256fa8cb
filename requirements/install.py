"""Install exactly what locks hold: PYTHON install.py [--python OTHER] LOCK...

Into the environment of the Python that runs this, or of another one. The one place that says how:

- `--no-deps`: a lock holds everything, so there is nothing to resolve. Where one package asks for
  another with an extra (`coverage[toml]`), pip looks past the lock's plain `coverage==`, and stops
  as soon as a newer one is published.
- `--require-hashes`, wheels only: an sdist would fetch what it is built with, without a pin.
- `--no-compile`: Python writes the bytecode of what is imported; most of it never is.
- `pip check` afterwards: it finds the gap in a lock that nothing resolved.

pip, not uv: pip comes with Python, and is what a machine's index and certificates are configured
for (pip.conf, PIP_INDEX_URL, PIP_CERT).
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

_COLLECTING = re.compile(r"(?:Collecting|Processing|Requirement already satisfied:) (\S+)")


def main() -> int:
    """Install the locks that the command line names; return an exit code."""
    parser = argparse.ArgumentParser(description="Install exactly what locks hold.")
    parser.add_argument("--python", help="the Python whose environment is installed into")
    parser.add_argument("locks", nargs="+", metavar="LOCK")
    arguments = parser.parse_args()
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    if arguments.python:
        pip += ["--python", arguments.python]
    requirements = [f"--requirement={lock}" for lock in arguments.locks]
    rules = ["--no-deps", "--require-hashes", "--only-binary=:all:", "--no-compile"]
    code = _watched([*pip, "install", *rules, *requirements], _count(arguments.locks))
    return code or _checked([*pip, "check"])


def _count(locks: Sequence[str]) -> int:
    """Count the packages of locks, those for other systems included."""
    texts = [Path(lock).read_text(encoding="utf-8") for lock in locks]
    return sum(len(re.findall(r"^\S+==", text, re.MULTILINE)) for text in texts)


def _watched(command: Sequence[str], total: int) -> int:
    """Run pip, and say how far it is; return its exit code, and show its errors."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as pip:  # noqa: S603 -- pip
        assert pip.stdout is not None  # noqa: S101 -- for the type checker
        for told in _told(pip.stdout, total):
            _say(told)
    if sys.stdout.isatty():
        _say("")
    return pip.returncode


def _checked(command: Sequence[str]) -> int:
    """Let pip compare what is installed; return its exit code, and show what it misses."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603 -- pip
    if done.returncode:
        sys.stderr.write(done.stdout)
    return done.returncode


def _told(lines: Iterator[str], total: int) -> Iterator[str]:
    done = 0
    for line in lines:
        if found := _COLLECTING.match(line):
            done += 1
            yield f"fetching {done} of {total}: {found[1]}"
        elif line.startswith("Installing collected packages: "):
            yield f"installing {line.count(',') + 1} packages"


def _say(text: str) -> None:
    """Say it over what was said before; where nobody watches, each fiftieth and the phases."""
    if sys.stdout.isatty():
        sys.stdout.write(f"\r\033[K{text[:79]}")
    elif not text.startswith("fetching") or re.match(r"fetching (1|\d*[05]0) of", text):
        sys.stdout.write(f"  {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
