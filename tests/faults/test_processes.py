"""The process itself: stopped at any moment, killed, and without what a process usually has.

What hangs in these tests hangs for ever: that an exporter ends at all shows that it does not wait.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from exporter.settings import load
from tests import daemons, fleets, inprocess
from tests.embedded_aws.server import EmbeddedAws
from tests.embedded_aws.world import World
from tests.faults.services import Services, of_aws
from tests.faulty import FaultyServer, free_port, send_and_hang
from tests.inprocess import Served
from tests.processes import (
    PATIENCE,
    Exporter,
    environment,
    no_aws,
    running,
    started,
    until,
)

EXPORTER = (sys.executable, "-m", "exporter")
NOHUP = ("nohup",)
AS_PROCESS_1 = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
MANY = 50
"""Requests at once."""


@pytest.fixture
def aws() -> Iterator[EmbeddedAws]:
    """One account in four regions."""
    with EmbeddedAws(World(fleets.HUB, regions=fleets.REGIONS)) as embedded:
        yield embedded


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    """A file that comes to no end until somebody has written to it."""
    made = tmp_path / "pipe"
    os.mkfifo(made)
    return made


def stops_in_order(exporter: Exporter | Served) -> None:
    """Stop it, and require that it ends by itself, without complaint."""
    assert exporter.stop() == 0, exporter.log
    assert "event=stopped" in exporter.log
    assert "Traceback" not in exporter.log


# -- SIGTERM in every phase ------------------------------------------------------------------


@pytest.mark.parametrize("before", [(), AS_PROCESS_1], ids=["process", "process 1"])
@pytest.mark.parametrize("command", ["serve", "once", "check"])
@pytest.mark.parametrize("moment", ["it imports", "it reads a file"])
def test_a_signal_before_it_listens(
    tmp_path: Path, pipe: Path, before: Sequence[str], command: str, moment: str
) -> None:
    """By the signal itself; the kernel keeps from process 1 what that does not handle.

    The file comes to no end: nobody writes to the pipe.
    """
    if subprocess.run([*before, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no namespaces of its own are allowed here: run as root on Linux")
    words = [*before, *EXPORTER, command, f"--config.file={pipe}"]
    with started(words, no_aws(tmp_path)) as exporter:
        try:
            process = child_of(exporter.process.pid) if before else exporter.process.pid
            until(lambda: signal.SIGTERM in caught(process), "its first lines")
            # Opens once the exporter has opened it to read.
            with pipe.open("w") if moment == "it reads a file" else nullcontext():
                os.kill(process, signal.SIGTERM)
                code = exporter.process.wait(PATIENCE)
        finally:
            exporter.process.kill()  # And with it its child, which a SIGTERM has not ended.
    assert code == (128 + signal.SIGTERM if before else -signal.SIGTERM)
    assert not exporter.log


def child_of(process: int) -> int:
    """Wait for the one child of a process; give its id."""
    children = Path(f"/proc/{process}/task/{process}/children")
    until(lambda: bool(children.read_text()), "a child")
    return int(children.read_text())


def caught(process: int) -> set[int]:
    """Return the signals that a process handles itself."""
    status = Path(f"/proc/{process}/status").read_text()
    mask = int(status.partition("SigCgt:")[2].split()[0], 16)
    return {number for number in range(1, 65) if mask >> (number - 1) & 1}


def test_a_signal_as_soon_as_it_listens(aws: EmbeddedAws) -> None:
    """From then on it ends in order."""
    with running(aws.environment()) as exporter:
        assert exporter.port
        stops_in_order(exporter)


_NO_STS = Services(sts=send_and_hang())
SILENT: Mapping[str, tuple[Services, Sequence[str], str]] = {
    "SIGTERM during the first discovery": (_NO_STS, [], "GetCallerIdentity"),
    "SIGTERM while STS does not say whose the credentials of an account without a role are": (
        _NO_STS,
        [f'--aws.accounts=[{{"id": "{fleets.HUB}"}}]'],
        "GetCallerIdentity",
    ),
    "every poll hangs": (Services(macie2=send_and_hang()), [], "/invitations"),
}
"""What of AWS does not answer, flags, and what it is asked for."""


@pytest.mark.parametrize(("services", "flags", "asked"), SILENT.values(), ids=SILENT)
def test_a_signal_while_aws_does_not_answer(
    services: Services, flags: Sequence[str], asked: str
) -> None:
    """Nothing waits for AWS: neither scrapes nor liveness, which a restart would not help."""
    with FaultyServer(services) as silent, inprocess.running(of_aws(silent), flags) as exporter:
        until(lambda: asked in str(silent.requests), f"a request for {asked}")
        assert exporter.request("/-/healthy").status == 200
        assert "macie_exporter_build_info{" in exporter.metrics()
        stops_in_order(exporter)


def test_a_signal_during_a_scrape(aws: EmbeddedAws) -> None:
    """Be it one that is still being asked for, or one that nobody reads to its end."""
    with inprocess.running(aws.environment()) as exporter:
        exporter.wait_until_ready()
        with (
            socket.create_connection(("127.0.0.1", exporter.port)) as asking,
            socket.create_connection(("127.0.0.1", exporter.port)) as reading,
        ):
            asking.sendall(b"GET /metrics HTTP/1.1\r\nHost: ")
            # More than any socket takes for somebody who does not read.
            reading.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 2000)
            assert reading.recv(100)
            stops_in_order(exporter)


def test_a_reload_of_files_without_end(aws: EmbeddedAws, tmp_path: Path) -> None:
    """It is refused after a while, until which scrapes are answered and a stop does not wait.

    A reload that would wait for ever could not be stopped either.
    """
    file, web = tmp_path / "exporter.yaml", tmp_path / "web.yaml"
    file.write_text("web: {enable_lifecycle: true}\n")
    web.write_text("{}\n")
    flags = [f"--config.file={file}", f"--web.config-file={web}"]
    with running(aws.environment(), flags) as exporter, ThreadPoolExecutor() as pool:
        exporter.wait_until_ready()
        for path in (file, web):
            path.unlink()
            os.mkfifo(path)
        exporter.send(signal.SIGHUP)
        until(lambda: "event=web_config_refused" in exporter.log, "the refusal of the web file")
        until(lambda: "event=reload_failed" in exporter.log, "the refusal of the file")
        assert "it did not end within 5 s" in exporter.log
        # Neither file was read by the event loop, which would have waited all of that time.
        assert exporter.series()["macie_exporter_loop_lag_seconds", frozenset()] < 2.5
        exporter.send(signal.SIGHUP)
        for _ in range(MANY):
            pool.submit(exporter.request, "/-/reload", "POST")
        with file.open("w"):  # Opens once the exporter has opened it to read.
            assert exporter.request("/metrics").status == 200
            stops_in_order(exporter)


# -- SIGHUP ------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["once", "doctor"])
def test_a_terminal_that_is_closed_ends_a_command(command: str) -> None:
    """Nobody is left to read what it would say, and nobody would end it."""
    with (
        FaultyServer(send_and_hang()) as silent,
        started([*EXPORTER, command], of_aws(silent)) as exporter,
    ):
        silent.wait_for(requests=1)
        assert exporter.stop(signal.SIGHUP) == -signal.SIGHUP


@pytest.mark.parametrize(
    ("command", "said"), [("once", b"macie_poll_success{"), ("doctor", b"Everything works.")]
)
def test_nohup_keeps_a_command(aws: EmbeddedAws, pipe: Path, command: str, said: bytes) -> None:
    """That is what it is for: a hangup is ignored from the start, and all of the output comes."""
    with subprocess.Popen(
        [*NOHUP, *EXPORTER, command, f"--config.file={pipe}"],
        env=environment(aws.environment()),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        with pipe.open("w") as writer:  # Opens once the exporter has opened it to read.
            process.send_signal(signal.SIGHUP)
            writer.write("{}\n")
        out, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert said in out


@pytest.mark.parametrize("command", ["once", "iam"])
def test_a_hangup_while_it_imports(tmp_path: Path, pipe: Path, command: str) -> None:
    """It is held back until it is known that there is nothing to reload."""
    with started([*EXPORTER, command, f"--config.file={pipe}"], no_aws(tmp_path)) as exporter:
        until(lambda: signal.SIGTERM in caught(exporter.process.pid), "its first lines")
        assert exporter.stop(signal.SIGHUP) == -signal.SIGHUP


def test_a_hangup_while_the_server_imports(tmp_path: Path, pipe: Path) -> None:
    """It reloads as soon as it has started."""
    with running(no_aws(tmp_path), [f"--config.file={pipe}"]) as exporter:
        until(lambda: signal.SIGTERM in caught(exporter.process.pid), "its first lines")
        exporter.send(signal.SIGHUP)
        pipe.write_text("{}\n")  # Opens once the exporter has opened it to read.
        assert exporter.port
        pipe.write_text("{}\n")
        until(lambda: "event=reloaded" in exporter.log, lambda: exporter.log)
        stops_in_order(exporter)


# -- SIGKILL -----------------------------------------------------------------------------------


def test_killed_and_started_again(aws: EmbeddedAws) -> None:
    """On the same port, at once, though connections of the first are still open."""
    with running(aws.environment()) as exporter:
        exporter.wait_until_ready()
        port, before = exporter.port, exporter.series()
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(100)
            assert exporter.stop(signal.SIGKILL) == -signal.SIGKILL
            with running(aws.environment(), port=port) as again:
                again.wait_until_ready()
                assert fleets.of_invitations(again.series()) == fleets.of_invitations(before)


# -- what a process may have to do without ------------------------------------------------------


UNHEARD: Mapping[str, str] = {
    "standard error is a broken pipe": '3<>"$PIPE" 2>"$PIPE" 3>&-',
    "standard error is closed": "2>&-",
    "a full disk for standard error": "2>/dev/full",
    "a full disk for standard error and standard output": ">/dev/full 2>/dev/full",
}
"""How a shell opens the streams."""


@pytest.mark.parametrize("streams", UNHEARD.values(), ids=UNHEARD)
def test_a_log_that_cannot_be_written(aws: EmbeddedAws, pipe: Path, streams: str) -> None:
    """No signal and no traceback: it polls, serves, reloads and stops all the same."""
    port = free_port()
    script = f'exec "$0" -m exporter --web.listen-address=127.0.0.1:{port} {streams}'
    words = ["/bin/sh", "-c", script, sys.executable]
    with started(words, {**aws.environment(), "PIPE": str(pipe)}) as exporter:
        until(lambda: "macie_poll_success{" in scraped(port), "a poll")
        for _ in range(3):
            exporter.send(signal.SIGHUP)
            assert "macie_poll_success{" in scraped(port)
        assert exporter.stop() == 0


def scraped(port: int) -> str:
    """Scrape; nothing where nobody listens as yet."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE) as answer:
            return str(answer.read().decode())
    except URLError:
        return ""


def test_what_is_wrong_with_the_exporter_itself_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What holds the loop, for which polls, scrapes and probes wait alike; and what crashes.

    That is logged with its traceback, counted, and once there is no hope so do probes hear of it.
    """

    async def crash() -> None:
        raise RuntimeError("never seen before")

    for name, value in no_aws(tmp_path).items():
        monkeypatch.setenv(name, value)
    with daemons.running(load([], {}, "eu-west-1")) as made:
        lag, restarts = "macie_exporter_loop_lag_seconds", "macie_exporter_worker_restarts_total"
        until(lambda: made.value(lag) > 0, "a first measurement")
        made.loop.do(lambda: time.sleep(2.0))
        until(lambda: made.value(lag) > 1.5, "the lag")
        assert (made.value(restarts), made.daemon.healthy()) == (0, True)
        made.loop.do(lambda: made.daemon.keep("poller", crash))
        until(lambda: not made.daemon.healthy(), "no hope")
        assert made.value(restarts) >= 6
    assert made.log.count("event=worker_crashed worker=poller") >= 6
    assert "RuntimeError: never seen before" in made.log
