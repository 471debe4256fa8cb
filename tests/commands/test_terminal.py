"""What a terminal shows beside the output, and that files and pipes get nothing of it."""

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests import fleets
from tests.embedded_aws.server import EmbeddedAws
from tests.processes import PATIENCE, environment, measured, no_aws

ESCAPE = "\x1b"
COLOUR = re.compile(r"\x1b\[[\d;]*3[0-7]m")
LIVELY = {"TERM": "xterm-256color"}


class Terminal:
    """A pseudo-terminal, and what a process wrote to it."""

    def __init__(self) -> None:
        """Open it, and read it as it is written to."""
        self._parent, self.end = pty.openpty()
        self._read: list[bytes] = []
        self._reader = threading.Thread(target=self._collect, daemon=True)
        self._reader.start()

    def _collect(self) -> None:
        # Linux answers EIO once nobody has the other end.
        with contextlib.suppress(OSError):
            while chunk := os.read(self._parent, 65536):
                self._read.append(chunk)

    @property
    def text(self) -> str:
        """Everything that was written, once the process has ended."""
        if self._reader.is_alive():
            os.close(self.end)
            self._reader.join(PATIENCE)
            os.close(self._parent)
        return b"".join(self._read).decode()


@pytest.fixture(scope="module")
def aws() -> Iterator[Mapping[str, str]]:
    """The variables of an AWS."""
    with EmbeddedAws(fleets.fleet(1)) as running:
        yield {**running.environment(), "AWS_REGION": "eu-west-1"}


def run(variables: Mapping[str, str], *words: str, out: Terminal | None = None) -> tuple[str, str]:
    """Run a command with a terminal as standard error; give its two outputs."""
    err = Terminal()
    done = subprocess.run(
        [sys.executable, "-m", "exporter", *words],
        env=environment({**variables, **measured()}),
        stdout=out.end if out else subprocess.PIPE,
        stderr=err.end,
        timeout=60,
        check=False,
    )
    return out.text if out else done.stdout.decode(), err.text


def test_progress(aws: Mapping[str, str]) -> None:
    """A bar counts what is done, below whole lines of the log; the output holds nothing of it."""
    out, err = run({**aws, **LIVELY}, "once")
    assert "targets" in err
    assert "1/1" in err
    assert ESCAPE not in out
    lines = [line for line in re.split(r"[\r\n]|\x1b\[2K|\x1b\[1A", err) if "event=" in line]
    assert len(lines) >= 2
    assert [line for line in lines if not re.match(r"ts=\S+ level=\w+ event=\w+", line)] == []
    assert any(line.endswith("event=first_round_done targets=1") for line in lines)


def test_no_progress_where_it_cannot_be_shown(aws: Mapping[str, str]) -> None:
    """Such as in the console of an editor: the log alone, in plain lines."""
    _, err = run({**aws, "TERM": "dumb"}, "once")
    assert ESCAPE not in err
    assert "event=first_round_done" in err


def test_no_color(aws: Mapping[str, str]) -> None:
    """NO_COLOR is honoured by the bar (no-color.org); a report has no colours in any case."""
    out, err = run({**aws, **LIVELY, "NO_COLOR": "1"}, "doctor", out=Terminal())
    assert ESCAPE not in out
    assert "\r\nEverything works.\r\n" in out
    assert "1/1" in err
    assert not COLOUR.search(err)


def test_a_name_does_not_steer_the_terminal(aws: Mapping[str, str], tmp_path: Path) -> None:
    """`once` shows it as what it is; a file gets the label's value as it is."""
    file = tmp_path / "exporter.yaml"
    account = {"id": fleets.HUB, "name": "a\x1b[2J\u202e"}
    file.write_text(json.dumps({"aws": {"accounts": [account]}}))
    words = ("once", f"--config.file={file}")
    shown, _ = run({**aws, "PYTHONUTF8": "1"}, *words, out=Terminal())
    assert r'account_name="a\u001b[2J\u202e"' in shown
    assert [line for line in shown.split("\r\n") if not line.isprintable()] == []
    plain, _ = run({**aws, "PYTHONUTF8": "1"}, *words)
    assert 'account_name="a\x1b[2J\u202e"' in plain


def test_rich_is_not_imported_where_nothing_is_shown(tmp_path: Path) -> None:
    """A start must not wait for it where there is progress that nobody sees."""
    script = (
        "import os, sys; from exporter.commands import main, Process;"
        "main(['doctor'], Process(os.environ, sys.stdout, sys.stderr));"
        "sys.exit('rich' in sys.modules)"
    )
    variables = environment({**no_aws(tmp_path), **LIVELY})
    done = subprocess.run(
        [sys.executable, "-c", script], env=variables, capture_output=True, check=False
    )
    assert done.returncode == 0
    assert done.stdout
