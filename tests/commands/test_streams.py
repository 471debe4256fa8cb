"""Standard streams that are closed, full or gone: commands do their work and say how it ended."""

import subprocess
import sys
from collections.abc import Mapping

import pytest

from tests import fleets
from tests.embedded_aws.server import EmbeddedAws
from tests.embedded_aws.world import World
from tests.processes import environment, measured, until

REGION = {"AWS_REGION": "eu-west-1"}


def shell(words: str, variables: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """Run the exporter through a shell that opens its streams."""
    return subprocess.run(
        ["/bin/sh", "-c", f'exec "$0" -m exporter {words}', sys.executable],
        env=environment({**variables, **measured()}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        # A full disk must not pass for an empty configuration.
        ("check >/dev/full", 1, "cannot write the output: No space left on device\n"),
        # Nobody wants to read it; that is no failure.
        ("check >&-", 0, ""),
        # 2 for a wrong flag, whatever standard error is.
        ("check --poll.intervl=5m 2>&-", 2, ""),
        ("check --poll.intervl=5m 2>/dev/full", 2, ""),
    ],
)
def test_a_stream_that_cannot_be_written(words: str, code: int, said: str) -> None:
    """No traceback, and the exit code is that of the command."""
    done = shell(words, REGION)
    assert (done.returncode, done.stderr) == (code, said)


def test_the_daemon_does_not_need_a_log() -> None:
    """It polls on with standard error closed, and stops in order."""
    world = World(fleets.HUB, regions=fleets.REGIONS)
    with EmbeddedAws(world) as aws:
        process = subprocess.Popen(
            [
                "/bin/sh",
                "-c",
                'exec "$0" -m exporter --web.listen-address=127.0.0.1:0 2>&-',
                sys.executable,
            ],
            env=environment(aws.environment()),
        )
        until(lambda: world.served(fleets.HUB, aws.environment()["AWS_REGION"]) > 0, "a poll")
        process.terminate()
        assert process.wait(30) == 0


ENCODINGS: tuple[Mapping[str, str], ...] = (
    {"PYTHONIOENCODING": "latin-1"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
)
"""What a terminal or a scheduler may say of the streams, none of it UTF-8."""


def output(
    variables: Mapping[str, str], *words: str | bytes
) -> "subprocess.CompletedProcess[bytes]":
    """Run the exporter; give what it writes, as bytes."""
    return subprocess.run(
        [sys.executable, "-m", "exporter", *words],
        env=environment({**variables, **measured()}),
        capture_output=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
def test_output_is_utf8_whatever_the_locale(encoding: Mapping[str, str]) -> None:
    """Expositions and documents go where others read them: the same bytes always."""
    done = output(encoding, "iam", "--help")
    assert (done.returncode, done.stderr) == (0, b"")
    assert "--organization-id o-…\n".encode() in done.stdout


@pytest.mark.parametrize(
    ("word", "shown"), [("chéck".encode(), "chéck".encode()), (b"ch\xffck", b"ch\\udcffck")]
)
def test_complaints_are_utf8_whatever_the_locale(word: bytes, shown: bytes) -> None:
    """They repeat what was asked for; what has no UTF-8 is written as its escape."""
    done = output(ENCODINGS[0], word)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(shown + b": unknown command; the nearest is check\n")
