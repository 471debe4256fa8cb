"""The `demo` command: a story's AWS in this process, and the exporter on it as a child.

Its AWS is on loopback only; it takes nothing of the user's AWS set-up, and writes no file.
"""

import asyncio
import contextlib
import os
import re
import shlex
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from typing import Final, TextIO

from exporter.demo.aws import LOOPBACK, answering
from exporter.demo.story import HUB, REGIONS, ROLE_NAME, Story

_FORWARDED: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_INHERITED: Final = re.compile(r"PATH$|LANG$|LC_ALL$|PYTHON")
"""What Python needs to start."""
_EXPORTER: Final = (sys.executable, "-m", "exporter")
_MOVES_SECONDS: Final = 5.0
_LONGEST_LINE: Final = 1 << 20
_SIGNAL_EXIT_BASE: Final = 128
# What is there at first would bury what happens: all but warnings is logged at debug.
_FIRST_ROUND: Final = re.compile(rb'level(?:=|": ?")info.*first_poll(?:=|": ?)true')


def run(listen_address: str, flags: Sequence[str], stdout: TextIO) -> int:
    """Run the demo until the exporter ends; returns the exporter's exit code.

    `listen_address` is the exporter's `host:port`, `flags` are passed on to its `serve`.
    """
    return asyncio.run(_run(listen_address, flags, stdout))


async def _run(listen_address: str, flags: Sequence[str], stdout: TextIO) -> int:
    signals: asyncio.Queue[int] = asyncio.Queue()  # From the start: none is too early.
    for number in _FORWARDED:
        asyncio.get_running_loop().add_signal_handler(number, signals.put_nowait, number)
    told = Story(time.time())
    async with answering(told) as url:
        stdout.write(announcement(listen_address, variables(url)))
        stdout.flush()
        inherited = {name: value for name, value in os.environ.items() if _INHERITED.match(name)}
        child = await asyncio.create_subprocess_exec(
            *(*_EXPORTER, "serve", f"--web.listen-address={listen_address}", *flags),
            env=inherited | variables(url),
            stderr=PIPE,
            limit=_LONGEST_LINE,
            # So that Ctrl-C reaches it once, through us.
            start_new_session=True,
        )
        beside = [asyncio.create_task(each) for each in (_forward(signals, child), _move(told))]
        try:
            await _copy_log(child, everything="--log.level=debug" in flags)
            code = await child.wait()
        finally:
            for each in beside:
                each.cancel()
            with contextlib.suppress(ProcessLookupError):
                child.kill()
    # As a shell says it of a process that a signal ended.
    return code if code >= 0 else _SIGNAL_EXIT_BASE - code


async def _move(told: Story) -> None:
    while True:
        await asyncio.sleep(_MOVES_SECONDS)
        told.step(time.time())


async def _forward(signals: "asyncio.Queue[int]", child: Process) -> None:
    while True:
        number = await signals.get()
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(number)


async def _copy_log(child: Process, *, everything: bool) -> None:
    """Copy what the exporter logs until it ends, but what it finds in its first round."""
    assert child.stderr is not None  # noqa: S101 -- for the type checker
    async for line in child.stderr:
        if everything or not _FIRST_ROUND.search(line):
            # A log that nobody reads any more ends nothing.
            with contextlib.suppress(OSError):
                sys.stderr.buffer.write(line)
                sys.stderr.buffer.flush()


def variables(url: str) -> dict[str, str]:
    """Return those with which any command of the exporter works on the demo's AWS, as its hub."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": f"AKIA{HUB}",
        "AWS_SECRET_ACCESS_KEY": "demo",
        "AWS_REGION": REGIONS[0],
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "*",
        "MACIE_EXPORTER_AWS__ORGANIZATION__ROLE_NAME": ROLE_NAME,
        "MACIE_EXPORTER_AWS__REGIONS": ",".join(REGIONS),
        "MACIE_EXPORTER_METRICS__TRUST_ORGANIZATION": "true",
        "MACIE_EXPORTER_METRICS__ACCOUNT_LABELS": "team,environment",
        "MACIE_EXPORTER_METRICS__ADMINISTRATOR__ENABLED": "true",
        "MACIE_EXPORTER_METRICS__PER_INVITATION__ENABLED": "true",
        "MACIE_EXPORTER_POLL__INTERVAL": "10s",
    }


def announcement(listen_address: str, environment: Mapping[str, str]) -> str:
    """Return what is said first: where the exporter answers, and how to try other commands."""
    host, _, port = listen_address.rpartition(":")
    # What listens everywhere is opened over loopback.
    is_everywhere = host in ("", "0.0.0.0", "[::]")  # noqa: S104
    address = f"http://{LOOPBACK if is_everywhere else host}:{port}"
    alone = f"for this machine alone: --web.listen-address={LOOPBACK}:{port}"
    others = f"It answers on every interface; {alone}\n\n" if is_everywhere else ""
    given = (f"{name}={value}" for name, value in environment.items())
    doctor = shlex.join(["env", "-i", *given, *_EXPORTER, "doctor"])
    return (
        f"\nThe demo: an organization of its own, with no AWS account involved. Some of its "
        f"accounts fail on purpose.\n\n"
        f"  {address}/         how it is, and what is wrong\n"
        f"  {address}/targets  every account and region: what is known, or why it is not\n"
        f"  {address}/config   the configuration in force\n"
        f"  {address}/metrics  what Prometheus reads\n\n{others}"
        f"In another terminal, in this folder, doctor looks at it too; so does once in its place:"
        f"\n\n  {doctor}\n\n"
        f"Something changes every few seconds, and the log below tells what. Ctrl-C ends it.\n\n"
    )
