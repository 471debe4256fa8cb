"""The exporter as a process, as users run it: its own environment, its own port, its log."""

import asyncio
import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

Series = Mapping[tuple[str, frozenset[tuple[str, str]]], float]
PATIENCE = 60.0
"""Seconds that a test waits for something that should take far less."""


def until(
    condition: Callable[[], bool], what: str | Callable[[], str], seconds: float = PATIENCE
) -> None:
    """Wait until something is so; fail by name if it does not come."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            message = f"waited {seconds} s in vain: {what if isinstance(what, str) else what()}"
            raise AssertionError(message)
        time.sleep(0.02)


async def eventually(condition: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    """Let the loop turn until something is so; fail by name if it does not come."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s in vain: {what}"
        await asyncio.sleep(0.001)


def inherit_default_signals() -> None:
    """Have every process that is started from now on begin with the default signals.

    One inherits what its parent ignores, as under nohup or in a shell's background, and so would
    not end when it is told to. What its parent handles is the default again: here by doing nothing,
    so that this process goes on to ignore it.
    """
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


@dataclass
class Answer:
    """An HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Scraped(ABC):
    """An exporter that serves, wherever it runs."""

    @property
    @abstractmethod
    def log(self) -> str:
        """Everything logged so far."""

    @abstractmethod
    def has_ended(self) -> bool:
        """Return whether it has ended."""

    @property
    def port(self) -> int:
        """The port it listens on."""
        said = re.compile(r'event(?:=|": ")listening(?: port=|", "port": )(\d+)')
        until(lambda: bool(said.search(self.log)) or self.has_ended(), "listening")
        found = said.search(self.log)
        assert found, self.log
        return int(found[1])

    def request(
        self, path: str, method: str = "GET", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Make one HTTP request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.request(method, path, headers=dict(headers or {}))
            response = connection.getresponse()
            return Answer(response.status, dict(response.headers), response.read())

    def wait_until_ready(self) -> None:
        """Wait for the end of the first round."""
        until(lambda: self.request("/-/ready").status == 200, lambda: f"ready\n{self.log}")

    def metrics(self) -> str:
        """Scrape."""
        return self.request("/metrics").body.decode()

    def series(self) -> Series:
        """Scrape, by name and labels."""
        return series_of(self.metrics())

    @property
    def lines(self) -> list[str]:
        """The log, line by line."""
        return self.log.splitlines()


@dataclass
class Exporter(Scraped):
    """A running exporter."""

    process: subprocess.Popen[str]
    _said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Collect the log as it is written."""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._said.append(line.rstrip("\n"))

    @property
    def log(self) -> str:
        """Everything logged so far."""
        return "\n".join(self._said)

    def has_ended(self) -> bool:
        """Return whether it has ended."""
        return self.process.poll() is not None

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; give the exit code."""
        self.send(number)
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        assert self.process.stderr is not None
        self.process.stderr.close()
        return code


def series_of(text: str) -> Series:
    """Read an exposition, by name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


_REFUSING = socket.socket()
_REFUSING.bind(("127.0.0.1", 0))


def refusing_port() -> int:
    """Return a port of loopback that refuses connections: it is taken, and nobody listens on it."""
    return int(_REFUSING.getsockname()[1])


def no_aws(path: Path) -> dict[str, str]:
    """Return the variables of an AWS whose endpoint nobody listens on.

    What is started with them is looked at for what it is itself, and so counts into coverage.
    """
    return {
        **measured(),
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{refusing_port()}",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_REGION": "eu-west-1",
        "AWS_CONFIG_FILE": str(path / "none"),
    }


def command(variables: Mapping[str, str], *words: str) -> "subprocess.CompletedProcess[str]":
    """Run a command of the exporter to its end."""
    return subprocess.run(
        [sys.executable, "-m", "exporter", *words],
        env=environment(variables),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Return a process's environment: nothing of this one's but what Python needs."""
    kept = {"PATH", "LANG", "LC_ALL", "TMPDIR"}
    inherited = {name: value for name, value in os.environ.items() if name in kept}
    return {**inherited, "NO_PROXY": "*", **variables}


def measured() -> dict[str, str]:
    """Return the variables that have a process count into coverage: nearly twice its start.

    For what only a process runs; all else is counted where it runs in this one.
    """
    return {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}


@contextlib.contextmanager
def running(
    variables: Mapping[str, str],
    flags: Sequence[str] = (),
    *,
    port: int = 0,
    before: Sequence[str] = (),
) -> Iterator[Exporter]:
    """Run the exporter until the block ends; `before` is a program that runs it, with arguments."""
    listen = f"--web.listen-address=127.0.0.1:{port}"
    words = [*before, sys.executable, "-m", "exporter", "serve", listen, *flags]
    with started(words, variables) as exporter:
        yield exporter


@contextlib.contextmanager
def started(words: Sequence[str], variables: Mapping[str, str]) -> Iterator[Exporter]:
    """Run a program that is an exporter in the end, until the block ends."""
    process = subprocess.Popen(
        words,
        env=environment(variables),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    exporter = Exporter(process)
    try:
        yield exporter
    finally:
        if process.stderr is not None and not process.stderr.closed:
            exporter.stop()
