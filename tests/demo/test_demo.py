"""The demo: its story, and as a process what it says, what it starts and what it passes on."""

import contextlib
import os
import shlex
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from exporter.demo import command
from exporter.demo.story import (
    ACCOUNTS,
    ADMINISTRATOR,
    BROKEN,
    BUSY,
    DENIED,
    FORMER_ADMINISTRATOR,
    GOVERNED,
    HUB,
    PASSING_STRANGER,
    STRANGER,
    THROTTLED,
    TRUSTED,
    Story,
)
from exporter.model import KNOWN_STATUSES, Invitation
from tests.faulty import free_port
from tests.processes import PATIENCE, series_of

# None of it must reach the exporter: it would find no such profile, and no such level.
USERS_OWN = {"AWS_PROFILE": "production", "MACIE_EXPORTER_LOG__LEVEL": "none"}


@contextlib.contextmanager
def demo(*flags: str) -> Iterator[tuple["subprocess.Popen[str]", Iterator[str]]]:
    """Run the demo until the block ends; give it and what it says and logs."""
    with subprocess.Popen(
        [sys.executable, "-m", "exporter", "demo", *flags],
        env=os.environ | USERS_OWN,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield process, iter(process.stdout.readline, "")
        finally:
            process.terminate()
            # It goes on to log until it ends, and waits for nobody to read.
            process.stdout.read()


def test_addresses_come_first_and_other_commands_work_on_it() -> None:
    """Before any line of the log; and what is said of `doctor` and `once` is so.

    Its AWS is the demo's alone, and knows every account's regions. Signals reach the exporter.
    """
    address = f"127.0.0.1:{free_port()}"
    with demo(f"--web.listen-address={address}", "--aws.regions=auto") as (process, lines):
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
        process.send_signal(signal.SIGHUP)
        assert any("event=reloaded" in line for line in lines)
    assert process.returncode == 0
    assert (doctor.returncode, once.returncode) == (1, 1)
    failed = {line.split()[1] for line in doctor.stdout.splitlines() if line.startswith("FAIL")}
    # Where calls are throttled now and then, they may be just now.
    assert failed - {THROTTLED.account_id} == {DENIED.account_id, BROKEN}
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


def test_how_the_exporter_ends_the_demo_does() -> None:
    """With its exit code. At debug the log has the first round too."""
    with demo("--web.listen-address=127.0.0.1:0", "--log.level=debug") as (process, lines):
        assert any("level=info" in line and "first_poll=true" in line for line in lines)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
        os.kill(int(children), signal.SIGKILL)
        assert process.wait(PATIENCE) == 128 + signal.SIGKILL


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
    ("listened", "said", "everywhere"),
    [
        (":10058", "http://127.0.0.1:10058/", True),
        ("0.0.0.0:80", "http://127.0.0.1:80/", True),
        ("[::1]:80", "http://[::1]:80/", False),
        ("localhost:80", "http://localhost:80/", False),
    ],
)
def test_the_addresses_are_this_machines(listened: str, said: str, *, everywhere: bool) -> None:
    """What listens everywhere is opened over loopback, and it is said that others can too."""
    text = command.announcement(listened, {})
    assert f"  {said}  " in text
    assert ("It answers on every interface" in text) is everywhere


NOW = 1_770_000_000.0
EDGES = [86_400 * days for days in (0, 1, 7, 30, 90, 100_000)]
MEMBERS = {account.id for account in ACCOUNTS}


def everything(story: Story) -> list[Invitation]:
    """Return all invitations."""
    return [one for known in story.invitations.values() for one in known.values()]


def go_on(story: Story, steps: int) -> Counter[str]:
    """Let a story go on; returns how often each inviter was seen between the steps."""
    seen: Counter[str] = Counter()
    for number in range(steps):
        story.step(NOW + 5 * number)
        seen.update({one.inviter_account_id for one in everything(story)})
    return seen


def test_what_a_visitor_finds() -> None:
    """Every status, every age, strangers, more than one of Macie's pages; now and hours later.

    Then things still happen, and a stranger comes and goes, but nothing grows.
    """
    story = Story(NOW)
    start, seen = len(everything(story)), Counter[str]()
    for steps in (0, 3000):
        seen += go_on(story, steps)
        found = everything(story)
        ages = [NOW - (one.invited_at or 0) for one in found]
        assert {one.relationship_status for one in found} == set(KNOWN_STATUSES)
        assert all(any(low <= age < high for age in ages) for low, high in pairwise(EDGES))
        strangers = {one.inviter_account_id for one in found} - MEMBERS
        assert {STRANGER} <= strangers <= {STRANGER, PASSING_STRANGER}
        assert len(story.invitations[BUSY]) > 25
        who_administers(story)
    assert 0 < seen[PASSING_STRANGER] < 3000
    later = everything(story)
    assert len(later) < start + 200
    go_on(story, 20)
    assert everything(story) != later


def who_administers(story: Story) -> None:
    """Require of each account one at most, not itself, and that Organizations needs no invite."""
    for target, known in story.invitations.items():
        assert target.account_id not in {one.inviter_account_id for one in known.values()}
        enabled = [one for one in known.values() if one.relationship_status == "Enabled"]
        if target.account_id == GOVERNED:
            assert story.administrator(target) in TRUSTED
            assert not known
        elif target.account_id == ADMINISTRATOR:
            assert story.administrator(target) is None
        elif target.account_id != HUB:
            assert len(enabled) == 1


def test_the_same_seed_tells_the_same_story() -> None:
    """Start and course follow from the seed alone."""
    first, second, other = (Story(NOW, seed) for seed in (1, 1, 2))
    for each in (first, second, other):
        go_on(each, 50)
    assert everything(first) == everything(second) != everything(other)
