"""The streams of commands: closed, full, in other encodings; and what a terminal shows beside them.

Files and pipes get nothing of that.
"""

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from unittest.mock import patch

import pytest

from exporter.commands import Process, main
from tests import fleets
from tests.embedded_aws.server import EmbeddedAws
from tests.processes import environment, measured, no_aws

REGION = {"AWS_REGION": "eu-west-1"}
LATIN = {"PYTHONIOENCODING": "latin-1"}
"""What a terminal or a scheduler may say of the streams, none of it UTF-8; and the next."""
C_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
UNKNOWN = b": unknown command; the nearest is check\n"
ESCAPE = "\x1b"
COLOUR = re.compile(r"\x1b\[[\d;]*3[0-7]m")
LIVELY = {"TERM": "xterm-256color"}


def ended(
    words: Sequence[str | bytes], variables: Mapping[str, str]
) -> "subprocess.CompletedProcess[bytes]":
    """Run a program to its end."""
    return subprocess.run(
        words,
        env=environment({**variables, **measured()}),
        capture_output=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "variables", "code", "out", "said"),
    [
        # A full disk must not pass for an empty configuration.
        (b"check >/dev/full", {}, 1, b"", b"cannot write the output: No space left on device\n"),
        # Nobody wants to read it; that is no failure.
        (b"check >&-", {}, 0, b"", b""),
        # 2 for a wrong flag, whatever standard error is.
        (b"check --poll.intervl=5m 2>&-", {}, 2, b"", b""),
        (b"check --poll.intervl=5m 2>/dev/full", {}, 2, b"", b""),
        # Expositions and documents go where others read them: the same bytes always.
        (b"iam --help", LATIN, 0, "--organization-id o-…\n".encode(), b""),
        (b"iam --help", C_LOCALE, 0, "--organization-id o-…\n".encode(), b""),
        # Complaints repeat what was asked for; what has no UTF-8 is written as its escape.
        ("chéck".encode(), LATIN, 2, b"", "chéck".encode() + UNKNOWN),
        (b"ch\xffck", LATIN, 2, b"", b"ch\\udcffck" + UNKNOWN),
    ],
)
def test_streams(
    words: bytes, variables: Mapping[str, str], code: int, out: bytes, said: bytes
) -> None:
    """UTF-8 whatever the locale; no traceback, and the exit code is that of the command."""
    script = b'exec "$0" -m exporter ' + words
    done = ended(["/bin/sh", "-c", script, sys.executable], {**REGION, **variables})
    assert (done.returncode, done.stderr) == (code, said)
    assert out in done.stdout
    assert bool(out) == bool(done.stdout)


class Screen(io.StringIO):
    """A terminal that keeps what is written to it."""

    def isatty(self) -> bool:
        """Be one."""
        return True


@pytest.fixture(scope="module")
def aws() -> Iterator[Mapping[str, str]]:
    """The variables of an AWS."""
    with EmbeddedAws(fleets.fleet(1)) as running:
        yield {**running.environment(), "AWS_REGION": "eu-west-1"}


def run(
    variables: Mapping[str, str], *words: str, out: type[io.StringIO] = io.StringIO
) -> tuple[str, str]:
    """Run a command with a terminal as standard error; give its two outputs."""
    stdout, stderr = out(), Screen()
    with patch.dict(os.environ, environment(variables), clear=True):
        main(words, Process(os.environ, stdout, stderr))
    return stdout.getvalue(), stderr.getvalue()


def test_progress(aws: Mapping[str, str]) -> None:
    """A bar counts what is done, below whole lines of the log; the output holds nothing of it."""
    out, err = run({**aws, **LIVELY}, "once")
    assert "targets" in err
    assert "1/1" in err
    assert COLOUR.search(err)
    assert ESCAPE not in out
    lines = [line for line in re.split(r"[\r\n]|\x1b\[2K|\x1b\[1A", err) if "event=" in line]
    assert len(lines) >= 2
    assert [line for line in lines if not re.match(r"ts=\S+ level=\w+ event=\w+", line)] == []
    assert any(line.endswith("event=first_round_done targets=1") for line in lines)


def test_no_color(aws: Mapping[str, str]) -> None:
    """NO_COLOR is honoured by the bar (no-color.org); a report has no colours in any case.

    Nor is there a bar where it cannot be shown, such as in the console of an editor.
    """
    out, err = run({**aws, **LIVELY, "NO_COLOR": "1"}, "doctor", out=Screen)
    assert ESCAPE not in out
    assert "\nEverything works.\n" in out
    assert "1/1" in err
    assert not COLOUR.search(err)
    _, err = run({**aws, "TERM": "dumb"}, "once")
    assert ESCAPE not in err
    assert "event=first_round_done" in err


def test_a_name_does_not_steer_the_terminal(aws: Mapping[str, str], tmp_path: Path) -> None:
    """`once` shows it as what it is; a file gets the label's value as it is."""
    file = tmp_path / "exporter.yaml"
    account = {"id": fleets.HUB, "name": "a\x1b[2J\u202e"}
    file.write_text(json.dumps({"aws": {"accounts": [account]}}))
    words = ("once", f"--config.file={file}")
    shown, _ = run(aws, *words, out=Screen)
    assert r'account_name="a\u001b[2J\u202e"' in shown
    assert [line for line in shown.split("\n") if not line.isprintable()] == []
    plain, _ = run(aws, *words)
    assert 'account_name="a\x1b[2J\u202e"' in plain


def test_rich_is_not_imported_where_nothing_is_shown(tmp_path: Path) -> None:
    """A start must not wait for it where there is progress that nobody sees."""
    script = (
        "import os, sys; from exporter.commands import main, Process;"
        "main(['doctor'], Process(os.environ, sys.stdout, sys.stderr));"
        "sys.exit('rich' in sys.modules)"
    )
    done = ended([sys.executable, "-c", script], {**no_aws(tmp_path), **LIVELY})
    assert done.returncode == 0
    assert done.stdout
