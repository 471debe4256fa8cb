"""The `demo` command: the exporter as a child process, reading the embedded AWS of this one.

It speaks to loopback only, takes nothing of the user's AWS set-up, and writes no file.
"""

import contextlib
import http.client
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from types import FrameType
from typing import IO, Final, TextIO

from exporter.demo.organisation import HUB, Movement, build, configuration
from exporter.demo.server import LOOPBACK, DemoUnavailableError, EmbeddedAws, utc_now

PREFIX: Final = "MACIE_EXPORTER"
_FORWARDED: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_INHERITED: Final = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT")
_EVERYWHERE: Final = frozenset({"", "0.0.0.0", "[::]"})  # noqa: S104 - compared, not bound
_READY_POLL_SECONDS: Final = 0.2
_LONGEST_HELD: Final = 50
"""Looks after which the log is shown all the same: it may say why it is not ready."""
_PROBE_SECONDS: Final = 2.0
_SIGNAL_EXIT_BASE: Final = 128
# With a password asked for (web.config_file) the answer is 401, and the exporter is up.
_UP: Final = frozenset({HTTPStatus.OK, HTTPStatus.UNAUTHORIZED})


def run(listen_address: str, extra_flags: Sequence[str], stdout: TextIO) -> int:
    """Run the demo until the exporter ends; returns the exporter's exit code.

    `listen_address` is the exporter's `host:port`, `extra_flags` are passed on to its `serve`.
    """
    try:
        aws = EmbeddedAws(build(utc_now()))
    except DemoUnavailableError as error:
        stdout.write(f"{error}\n")
        return 1
    with (
        aws,
        _moving(aws),
        _exporter(aws, listen_address, extra_flags) as child,
        _held(child) as log,
    ):
        return _attend(child, listen_address, stdout, log)


@contextlib.contextmanager
def _moving(aws: EmbeddedAws) -> Iterator[None]:
    """Let the organisation change in the background."""
    stop = threading.Event()
    arguments = (aws.world, stop)
    thread = threading.Thread(target=Movement(utc_now).run, args=arguments, name="movement")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextlib.contextmanager
def _exporter(
    aws: EmbeddedAws, listen_address: str, flags: Sequence[str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Start the exporter, forward signals to it, and leave none behind.

    It gets a session of its own, so that Ctrl-C reaches it once, through us.
    """
    environment = child_environment(os.environ, aws.environment(), listen_address)
    with _forwarding() as forwarder:
        child = subprocess.Popen(  # noqa: S603 - ourselves, with flags of the user's own
            [sys.executable, "-m", "exporter", "serve", *flags],
            env=environment,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        forwarder.attach(child)
        try:
            yield child
        finally:
            child.kill()
            child.wait()


class _HeldLog:
    """Copies what the exporter logs, from when it is let go: the addresses are to be read first."""

    def __init__(self, lines: IO[bytes]) -> None:
        self._lines, self._lock = lines, threading.Lock()
        self._held: list[bytes] | None = []

    def copy(self) -> None:
        """Copy until the exporter has ended."""
        for line in self._lines:
            with self._lock:
                if self._held is None:
                    _write(line)
                else:
                    self._held.append(line)

    def let_go(self) -> None:
        """Write what was held, and hold nothing any more."""
        with self._lock:
            _write(b"".join(self._held or ()))
            self._held = None


def _write(log: bytes) -> None:
    # A log that nobody reads any more ends nothing.
    with contextlib.suppress(OSError):
        sys.stderr.buffer.write(log)
        sys.stderr.buffer.flush()


@contextlib.contextmanager
def _held(child: subprocess.Popen[bytes]) -> Iterator[_HeldLog]:
    """Hold the exporter's log until it is let go, at the latest when the exporter has ended."""
    assert child.stderr is not None  # noqa: S101 - for the type checker
    log = _HeldLog(child.stderr)
    thread = threading.Thread(target=log.copy, name="log")
    thread.start()
    try:
        yield log
    finally:
        child.kill()
        thread.join()
        child.stderr.close()
        log.let_go()


class _Forwarder:
    """A signal handler that hands signals on; those that came too early once there is a child."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []

    def __call__(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self._child is None:
            self._early.append(number)
        else:
            self._child.send_signal(number)

    def attach(self, child: subprocess.Popen[bytes]) -> None:
        self._child = child
        for number in self._early:
            child.send_signal(number)


@contextlib.contextmanager
def _forwarding() -> Iterator[_Forwarder]:
    """Take the signals that are meant for the exporter; raises ValueError off the main thread."""
    forwarder = _Forwarder()
    before = {number: signal.signal(number, forwarder) for number in _FORWARDED}
    try:
        yield forwarder
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def child_environment(
    ours: Mapping[str, str], aws: Mapping[str, str], listen_address: str
) -> dict[str, str]:
    """Return the exporter's whole environment: of ours only what Python needs to start."""
    kept = {
        name: value
        for name, value in ours.items()
        if name in _INHERITED or name.startswith("PYTHON")
    }
    settings = configuration(HUB) | {"web": {"listen_address": listen_address}}
    return kept | {"NO_PROXY": "*"} | dict(aws) | dict(variables(PREFIX, settings))


def variables(prefix: str, tree: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Spell a configuration as the exporter's environment variables; lists are JSON."""
    joint = "_" if prefix == PREFIX else "__"
    for key, value in tree.items():
        name = f"{prefix}{joint}{key.upper()}"
        if isinstance(value, Mapping):
            yield from variables(name, value)
        else:
            yield name, value if isinstance(value, str) else json.dumps(value)


def _attend(
    child: subprocess.Popen[bytes], listen_address: str, stdout: TextIO, log: _HeldLog
) -> int:
    """Wait for the exporter, and say once where it answers, or that it ended before."""
    host, port = probe_address(listen_address)
    waited = itertools.count(1) if port else itertools.repeat(_LONGEST_HELD)
    while (code := _ended(child)) is None:
        if next(waited) >= _LONGEST_HELD:
            log.let_go()
        if _ready(host, port):
            _announce(host, port, stdout)
            log.let_go()
            return _exit_code(child.wait())
    code = _exit_code(code)
    stdout.write(f"the exporter ended before it was ready, with exit code {code}\n")
    return code


def _ended(child: subprocess.Popen[bytes]) -> int | None:
    try:
        return child.wait(_READY_POLL_SECONDS)
    except subprocess.TimeoutExpired:
        return None


def _exit_code(code: int) -> int:
    """Return what a shell would: 128 and the signal's number for a process that one ended."""
    return code if code >= 0 else _SIGNAL_EXIT_BASE - code


def probe_address(listen_address: str) -> tuple[str, int]:
    """Return where on this machine something that listens on `host:port` is reached."""
    host, _, port = listen_address.rpartition(":")
    number = int(port) if port.isascii() and port.isdigit() else 0
    return LOOPBACK if host in _EVERYWHERE else host.strip("[]"), number


def _ready(host: str, port: int) -> bool:
    """Ask the exporter whether it has polled everything once."""
    connection = http.client.HTTPConnection(host, port, timeout=_PROBE_SECONDS)
    try:
        connection.request("GET", "/-/ready")
        return connection.getresponse().status in _UP
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _announce(host: str, port: int, stdout: TextIO) -> None:
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{port}"
    stdout.write(
        f"\nThe demo is ready: an organisation of its own, with no AWS account involved.\n\n"
        f"  {address}/         how it is, and what is wrong\n"
        f"  {address}/targets  every account and region: what is known, or why it is not\n"
        f"  {address}/config   the configuration in force\n"
        f"  {address}/metrics  what Prometheus reads\n\n"
        f"Something changes every few seconds, and the log below tells what. Ctrl-C ends it.\n\n"
    )
    stdout.flush()
