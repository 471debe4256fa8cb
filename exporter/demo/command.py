"""The `demo` command: a story's AWS in this process, and the exporter on it as a child.

It speaks to loopback only, takes nothing of the user's AWS set-up, and writes no file.
"""

import asyncio
import contextlib
import os
import re
import shlex
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, TextIO

from exporter.demo import story
from exporter.demo.aws import LOOPBACK, answering

SETTINGS: Final = {
    "AWS__ORGANIZATION__ROLE_NAME": story.ROLE_NAME,
    "AWS__REGIONS": ",".join(story.REGIONS),
    "METRICS__TRUST_ORGANIZATION": "true",
    "METRICS__ACCOUNT_LABELS": "team,environment",
    "METRICS__ADMINISTRATOR__ENABLED": "true",
    "METRICS__PER_INVITATION__ENABLED": "true",
    "POLL__INTERVAL": "10s",
}
_PREFIX: Final = "MACIE_EXPORTER_"
_FORWARDED: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_INHERITED: Final = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT")
_EVERYWHERE: Final = frozenset({"", "0.0.0.0", "[::]"})  # noqa: S104 -- compared, not bound
_EXPORTER: Final = (sys.executable, "-m", "exporter")
_MOVES_SECONDS: Final = 5.0
_LONGEST_LINE: Final = 1 << 20
_SIGNAL_EXIT_BASE: Final = 128
# What is there at first would bury what happens: all but warnings is logged at debug.
_FIRST_ROUND: Final = re.compile(rb'level(?:=|": ?")info.*first_poll(?:=|": ?)true')
_SEEN: Final = "\nEvery account has been asked once: open {}/\n\n"
_DEBUG: Final = "--log.level=debug"


def run(listen_address: str, flags: Sequence[str], stdout: TextIO) -> int:
    """Run the demo until the exporter ends; returns the exporter's exit code.

    `listen_address` is the exporter's `host:port`, `flags` are passed on to its `serve`.
    """
    return asyncio.run(_run(listen_address, flags, stdout))


async def _run(listen_address: str, flags: Sequence[str], stdout: TextIO) -> int:
    signals: asyncio.Queue[int] = asyncio.Queue()  # From the start: none is too early.
    for number in _FORWARDED:
        asyncio.get_running_loop().add_signal_handler(number, signals.put_nowait, number)
    told = story.Story(datetime.now(UTC))
    async with answering(told) as url:
        stdout.write(announcement(listen_address, variables(url)))
        stdout.flush()
        child = await asyncio.create_subprocess_exec(
            *(*_EXPORTER, "serve", f"--web.listen-address={listen_address}", *flags),
            env=_inherited(os.environ) | variables(url),
            stderr=PIPE,
            limit=_LONGEST_LINE,
            # So that Ctrl-C reaches it once, through us.
            start_new_session=True,
        )
        beside = [asyncio.create_task(each) for each in (_forward(signals, child), _move(told))]
        try:
            await _copy_log(child, address_of(listen_address), everything=_DEBUG in flags)
            code = await child.wait()
        finally:
            for each in beside:
                each.cancel()
            with contextlib.suppress(ProcessLookupError):
                child.kill()
    # As a shell says it of a process that a signal ended.
    return code if code >= 0 else _SIGNAL_EXIT_BASE - code


async def _move(told: story.Story) -> None:
    while True:
        await asyncio.sleep(_MOVES_SECONDS)
        told.step(datetime.now(UTC))


async def _forward(signals: "asyncio.Queue[int]", child: Process) -> None:
    while True:
        number = await signals.get()
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(number)


async def _copy_log(child: Process, address: str, *, everything: bool) -> None:
    """Copy what the exporter logs until it ends, and say when there is something to see."""
    assert child.stderr is not None  # noqa: S101 -- for the type checker
    async for line in child.stderr:
        if everything or not _FIRST_ROUND.search(line):
            # In a thread: who stops reading, as a pager does, does not stop the demo's AWS.
            await asyncio.to_thread(_write, line)
        if b"first_round_done" in line:
            await asyncio.to_thread(_write, _SEEN.format(address).encode())


def _write(line: bytes) -> None:
    # A log that nobody reads any more ends nothing.
    with contextlib.suppress(OSError):
        sys.stderr.buffer.write(line)
        sys.stderr.buffer.flush()


def variables(url: str) -> dict[str, str]:
    """Return those with which any command of the exporter works on the demo's AWS, as its hub."""
    settings = {f"{_PREFIX}{name}": value for name, value in SETTINGS.items()}
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": f"AKIA{story.HUB}",
        "AWS_SECRET_ACCESS_KEY": "demo",
        "AWS_REGION": story.REGIONS[0],
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "*",
        **settings,
    }


def _inherited(ours: Mapping[str, str]) -> dict[str, str]:
    """Return what Python needs to start."""
    return {
        name: value
        for name, value in ours.items()
        if name in _INHERITED or name.startswith("PYTHON")
    }


def address_of(listen_address: str) -> str:
    """Return where a browser of this machine finds what listens there."""
    host, _, port = listen_address.rpartition(":")
    return f"http://{LOOPBACK if host in _EVERYWHERE else host}:{port}"


def announcement(listen_address: str, environment: Mapping[str, str]) -> str:
    """Return what is said first: where the exporter answers, and how to try other commands."""
    address = address_of(listen_address)
    given = (f"{name}={value}" for name, value in environment.items())
    doctor = shlex.join(["env", "-i", *given, *_EXPORTER, "doctor"])
    return (
        f"\nThe demo: an organization of its own, with no AWS account involved. Some of its "
        f"accounts fail on purpose.\n\n"
        f"  {address}/         how it is, and what is wrong\n"
        f"  {address}/targets  every account and region: what is known, or why it is not\n"
        f"  {address}/config   the configuration in force\n"
        f"  {address}/metrics  what Prometheus reads\n\n"
        f"In another terminal, in this folder, doctor looks at it too; so does once in its place:"
        f"\n\n  {doctor}\n\n"
        f"Something changes every few seconds, and the log below tells what. Ctrl-C ends it.\n\n"
    )
