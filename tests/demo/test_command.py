"""The demo as a process: what it says, what it starts, and what it passes on."""

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from exporter.demo import command
from exporter.demo.story import (
    ACCOUNTS,
    ADMINISTRATOR,
    BROKEN,
    DENIED,
    FORMER_ADMINISTRATOR,
    PASSING_STRANGER,
    STRANGER,
    THROTTLED,
)
from tests.faulty import free_port
from tests.processes import series_of

REPOSITORY = Path(command.__file__).parents[2]
FIRST = "ts=… level=info event=invitation_received account=… first_poll=true"
# Stands in for the exporter: tells how it was started, and ends on SIGTERM with a code of its own.
STAND_IN = f"""
import json, os, signal, sys, time

def log(line):
    print(line, file=sys.stderr, flush=True)

signal.signal(signal.SIGHUP, lambda *_: log("reloaded"))
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
log({FIRST!r})
log(json.dumps([sys.argv[1:], list(os.environ)]))
while True:
    time.sleep(1)
"""
DEMO_ITSELF = (sys.executable, "-m", "exporter", "demo")
DEMO = "import sys, exporter.demo.command as demo; sys.exit(demo.run({!r}, {!r}, sys.stdout))"
USERS_OWN = {"AWS_PROFILE": "production", "HTTP_PROXY": "http://x", "MACIE_EXPORTER_LOG__LEVEL": ""}


def stood_in(folder: Path, flags: Sequence[str]) -> "subprocess.Popen[str]":
    """Start the demo with the stand-in for an exporter; its log follows what it says."""
    (folder / "exporter").mkdir()
    (folder / "exporter" / "__init__.py").touch()
    (folder / "exporter" / "__main__.py").write_text(STAND_IN)
    # -P: the demo itself comes from the repository, and only its child from the folder here.
    return subprocess.Popen(
        [sys.executable, "-P", "-c", DEMO.format(":9", list(flags))],
        cwd=folder,
        env=os.environ | USERS_OWN | {"PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize("flags", [["--a=b"], ["--log.level=debug"]])
def test_the_exporter_is_started_cleanly_and_gets_our_signals(
    tmp_path: Path, flags: Sequence[str]
) -> None:
    """Its flags are ours, its AWS is the demo's alone, and its exit code becomes ours.

    The first round is logged at debug: what was there before would bury what happens.
    """
    with stood_in(tmp_path, flags) as demo:
        assert demo.stdout is not None
        try:
            lines = iter(demo.stdout.readline, "")
            logged = [next(line for line in lines if line.startswith(("ts=", "[")))]
            if flags == ["--log.level=debug"]:
                assert logged.pop() == f"{FIRST}\n"
                logged.append(next(lines))
            words, names = json.loads(logged[0])
            demo.send_signal(signal.SIGHUP)
            assert next(lines) == "reloaded\n"
        finally:
            demo.terminate()
    assert demo.returncode == 7
    assert words == ["serve", "--web.listen-address=:9", *flags]
    own = {name for name in names if not name.startswith(("PYTHON", "LC_"))} - {"PATH", "LANG"}
    assert own == {*command.variables("")}


def test_addresses_come_first_and_other_commands_work_on_it() -> None:
    """Before any line of the log; and what is said of `doctor` and `once` is so.

    Its AWS knows every account's regions.
    """
    address = f"127.0.0.1:{free_port()}"
    with subprocess.Popen(
        [*DEMO_ITSELF, f"--web.listen-address={address}", "--aws.regions=auto"],
        env=os.environ | USERS_OWN,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as demo:
        assert demo.stdout is not None
        try:
            lines = iter(demo.stdout.readline, "")
            said = [next(lines) for _ in range(14)]
            assert f"  http://{address}/metrics  what Prometheus reads\n" in said
            logged = [next(lines)]
            assert "event=listening" in logged[0]
            while "first_round_done" not in logged[-1]:
                logged.append(next(lines))
            info = [line for line in logged if "level=info" in line]
            assert "first_poll=true" not in "".join(info)
            guessed = [line for line in logged if "event=regions_unknown" in line]
            assert [f"account={BROKEN} " in line for line in guessed] == [True]
            doctor, once = other_commands(said)
        finally:
            demo.terminate()
        # It goes on to log until it ends, and waits for nobody to read.
        demo.stdout.read()
    assert demo.returncode == 0
    assert (doctor.returncode, once.returncode) == (1, 1)
    failed = {line.split()[1] for line in doctor.stdout.splitlines() if line.startswith("FAIL")}
    # Where calls are throttled now and then, they may be just now.
    assert failed - {THROTTLED[0]} == {DENIED[0], BROKEN}
    shown = series_of(once.stdout)
    strangers, administrators, teams = (
        {dict(labels).get(label) for (name, labels) in shown if name == family}
        for family, label in (
            ("macie_untrusted_inviter_timestamp_seconds", "inviter_account_id"),
            ("macie_administrator_info", "administrator_account_id"),
            ("macie_account_info", "label_team"),
        )
    )
    assert STRANGER in strangers <= {STRANGER, PASSING_STRANGER}
    assert ADMINISTRATOR in administrators <= {ADMINISTRATOR, FORMER_ADMINISTRATOR}
    assert teams == {account.labels["team"] for account in ACCOUNTS}


def other_commands(said: Sequence[str]) -> "list[subprocess.CompletedProcess[str]]":
    """Run the command that the demo says, and the same with `once`."""
    (line,) = (each for each in said if " env -i " in each)
    *words, doctor = shlex.split(line)
    assert doctor == "doctor"
    return [
        subprocess.run([*words, name], capture_output=True, text=True, check=False)
        for name in ("doctor", "once")
    ]


@pytest.mark.parametrize(
    ("listened", "said"),
    [
        (":10058", "http://127.0.0.1:10058/"),
        ("0.0.0.0:80", "http://127.0.0.1:80/"),
        ("[::1]:80", "http://[::1]:80/"),
        ("localhost:80", "http://localhost:80/"),
    ],
)
def test_the_addresses_are_this_machines(listened: str, said: str) -> None:
    """What listens everywhere is opened over loopback."""
    assert f"  {said}  " in command.announcement(listened, {})
