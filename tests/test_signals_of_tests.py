"""The processes that tests start: with the default signals, whoever started the tests."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import environment

ROOT = Path(__file__).parents[1]
TESTS = """
import subprocess
from tests.processes import inherit_default_signals
inherit_default_signals()
code = subprocess.run(["/bin/sh", "-c", "kill -{name} $$; echo survived"]).returncode
print("here as before:", code)
"""


@pytest.mark.parametrize("name", ["HUP", "INT", "QUIT", "TERM"])
def test_signals_are_the_default_in_processes_of_tests(name: str) -> None:
    """Those too that are ignored from the start, which the tests themselves go on to ignore."""
    script = TESTS.format(name=name) + f"import os, signal; os.kill(os.getpid(), signal.SIG{name})"
    done = subprocess.run(
        ["/bin/sh", "-c", f"trap '' {name}; exec \"$0\" -c '{script}'", sys.executable],
        env={**environment({}), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "survived" not in done.stdout
    assert done.stdout.startswith("here as before: -")
