"""The process itself: stopped at any moment, killed, and without what a process usually has.

What hangs in these tests hangs for ever: that an exporter ends at all shows that it does not wait.
"""

import os
import pty
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from exporter.settings import load as settings_of
from tests import fleets, inprocess
from tests.daemons import Running
from tests.daemons import running as a_daemon
from tests.embedded_aws.server import EmbeddedAws
from tests.embedded_aws.world import Fault, World
from tests.faults.services import Services
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

BRIEF = ("once", "doctor")
"""Commands that ask AWS, and end by themselves."""
WITH_A_TERMINAL = ("setsid", "--ctty")
AS_PROCESS_1 = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
READ_ONLY = ("unshare", "--mount", "sh", "-c", 'mount -o remount,bind,ro / && exec "$0" "$@"')
MANY = 50
"""Requests at once."""


@pytest.fixture
def aws() -> Iterator[EmbeddedAws]:
    """One account in four regions."""
    with EmbeddedAws(World(fleets.HUB, regions=fleets.REGIONS)) as embedded:
        yield embedded


@pytest.fixture
def silent() -> Iterator[FaultyServer]:
    """An AWS that does not answer."""
    with FaultyServer(Services(sts=send_and_hang())) as server:
        yield server


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    """A file that comes to no end until somebody has written to it."""
    made = tmp_path / "pipe"
    os.mkfifo(made)
    return made


def of_aws(server: FaultyServer) -> dict[str, str]:
    """Return the variables of an AWS."""
    return {
        "AWS_ENDPOINT_URL": server.url,
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_REGION": "eu-west-1",
    }


def stops_in_order(exporter: Exporter | Served) -> None:
    """Stop it, and require that it ends by itself, without complaint."""
    assert exporter.stop() == 0, exporter.log
    assert "event=stopped" in exporter.log
    assert "Traceback" not in exporter.log


# -- SIGTERM in every phase ------------------------------------------------------------------


@pytest.mark.parametrize("command", ["serve", "once", "check"])
def test_a_signal_before_it_listens(tmp_path: Path, pipe: Path, command: str) -> None:
    """While a file is being read, which comes to no end: nobody writes to the pipe."""
    words = [sys.executable, "-m", "exporter", command, f"--config.file={pipe}"]
    with (
        started(words, no_aws(tmp_path)) as exporter,
        pipe.open("w"),  # Opens once the exporter has opened it to read.
    ):
        assert exporter.stop() == -signal.SIGTERM
    assert not exporter.log


@pytest.mark.parametrize("moment", ["it imports", "it reads a file"])
def test_a_signal_to_process_1_of_a_container(tmp_path: Path, pipe: Path, moment: str) -> None:
    """The kernel keeps from it what it does not handle itself."""
    if subprocess.run([*AS_PROCESS_1, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no namespaces of its own are allowed here: run as root on Linux")
    with running(no_aws(tmp_path), [f"--config.file={pipe}"], before=AS_PROCESS_1) as exporter:
        try:
            process = child_of(exporter.process.pid)
            until(lambda: signal.SIGTERM in caught(process), "its first lines")
            with pipe.open("w") if moment == "it reads a file" else nullcontext():
                os.kill(process, signal.SIGTERM)
                assert exporter.process.wait(PATIENCE) == 128 + signal.SIGTERM
        finally:
            exporter.process.kill()  # And with it its child, which a SIGTERM has not ended.
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


@pytest.mark.parametrize("pause", [0.0, 0.05, 0.2, 0.6])
def test_a_signal_at_any_moment_of_the_start(aws: EmbeddedAws, pause: float) -> None:
    """It ends, by the signal itself where nothing of the exporter runs as yet."""
    with running(aws.environment()) as exporter:
        time.sleep(pause)
        code = exporter.stop()
    assert code in {0, -signal.SIGTERM}
    if code == 0:
        assert "Traceback" not in exporter.log


def test_a_signal_during_the_first_discovery(silent: FaultyServer) -> None:
    """STS does not answer."""
    with inprocess.running(of_aws(silent)) as exporter:
        silent.wait_for(requests=1)
        stops_in_order(exporter)


def test_a_signal_while_sts_does_not_say_whose_the_credentials_are(silent: FaultyServer) -> None:
    """It serves before it knows."""
    account = f'--aws.accounts=[{{"id": "{fleets.HUB}"}}]'
    with inprocess.running(of_aws(silent), [account]) as exporter:
        assert exporter.request("/-/healthy").status == 200
        silent.wait_for(requests=1)
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
            reading.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 200)
            assert reading.recv(100)
            stops_in_order(exporter)


@pytest.mark.parametrize("asked", ["by signal", "over HTTP"])
def test_a_signal_during_a_reload(aws: EmbeddedAws, tmp_path: Path, asked: str) -> None:
    """A file that cannot be read to its end holds up neither the end nor, before it, scrapes."""
    file = tmp_path / "exporter.yaml"
    file.write_text("poll: {interval: 1m}\n")
    flags = [f"--config.file={file}", "--web.enable-lifecycle=true"]
    with running(aws.environment(), flags) as exporter:
        exporter.wait_until_ready()
        file.unlink()
        os.mkfifo(file)
        with ThreadPoolExecutor() as pool:
            if asked == "by signal":
                exporter.send(signal.SIGHUP)
            else:
                for _ in range(MANY):
                    pool.submit(exporter.request, "/-/reload", "POST")
            with file.open("w"):  # Opens once the exporter has opened it to read.
                assert exporter.request("/metrics").status == 200
                stops_in_order(exporter)


def test_a_file_that_became_a_pipe(aws: EmbeddedAws, tmp_path: Path) -> None:
    """To which nobody writes: a reload that would wait for ever could not be stopped either."""
    file, web = tmp_path / "exporter.yaml", tmp_path / "web.yaml"
    file.write_text("poll: {interval: 1m}\n")
    web.write_text("{}\n")
    flags = [f"--config.file={file}", f"--web.config-file={web}"]
    with inprocess.running(aws.environment(), flags) as exporter:
        exporter.wait_until_ready()
        for path in (file, web):
            path.unlink()
            os.mkfifo(path)
        exporter.hang_up()
        until(lambda: "event=reload_failed" in exporter.log, "the refusal of the file")
        until(lambda: "event=web_config_refused" in exporter.log, "the refusal of the web file")
        assert exporter.request("/metrics").status == 200
        assert exporter.stop() == 0
    assert "it did not end within" in exporter.log


# -- SIGHUP ------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", BRIEF)
def test_a_terminal_that_is_closed_ends_a_command(silent: FaultyServer, command: str) -> None:
    """Nobody is left to read what it would say, and nobody would end it."""
    parent, terminal = pty.openpty()
    process = subprocess.Popen(
        [*WITH_A_TERMINAL, sys.executable, "-m", "exporter", command],
        env=environment({**of_aws(silent), "TERM": "xterm"}),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    try:
        silent.wait_for(requests=1)
        os.close(parent)
        assert process.wait(PATIENCE) == -signal.SIGHUP
    finally:
        process.kill()
        process.wait(PATIENCE)


@pytest.mark.parametrize("command", BRIEF)
def test_nohup_keeps_a_command(aws: EmbeddedAws, pipe: Path, command: str) -> None:
    """That is what it is for: a hangup is ignored from the start, and all of the output comes."""
    words = ["nohup", sys.executable, "-m", "exporter", command]
    with subprocess.Popen(
        [*words, f"--config.file={pipe}"],
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
    assert {"once": b"macie_poll_success{", "doctor": b"Everything works."}[command] in out


@pytest.mark.parametrize("command", ["serve", "once", "iam"])
def test_a_hangup_while_it_imports(tmp_path: Path, pipe: Path, command: str) -> None:
    """It is held back until it is known what it means: only `serve` has something to reload."""
    flags = ["--web.listen-address=127.0.0.1:0", f"--config.file={pipe}"]
    words = [sys.executable, "-m", "exporter", command, *flags]
    with started(words, no_aws(tmp_path)) as exporter:
        until(lambda: signal.SIGTERM in caught(exporter.process.pid), "its first lines")
        exporter.send(signal.SIGHUP)
        if command != "serve":
            assert exporter.process.wait(PATIENCE) == -signal.SIGHUP
            return
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


def test_a_read_only_root_and_no_home(aws: EmbeddedAws) -> None:
    """Nothing is written anywhere, and nobody's home is asked for."""
    if subprocess.run([*READ_ONLY, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no mounts of its own are allowed here: run as root on Linux")
    with running(aws.environment(), before=READ_ONLY) as exporter:
        exporter.wait_until_ready()
        with pytest.raises(OSError, match="Read-only file system"):
            (Path("/proc") / str(exporter.process.pid) / "root" / "written").touch()
        assert "macie_poll_success{" in exporter.metrics()
        stops_in_order(exporter)


@pytest.mark.parametrize("stream", ["2>/dev/full", "2>/dev/full >/dev/full"])
def test_a_full_disk_for_the_log(aws: EmbeddedAws, stream: str) -> None:
    """It polls, serves and stops all the same."""
    port = free_port()
    script = f'exec "$0" -m exporter --web.listen-address=127.0.0.1:{port} {stream}'
    process = subprocess.Popen(
        ["/bin/sh", "-c", script, sys.executable], env=environment(aws.environment())
    )
    until(lambda: "macie_poll_success{" in scraped(port), "a poll")
    process.terminate()
    assert process.wait(30) == 0


def test_a_log_that_nobody_reads_any_more(aws: EmbeddedAws) -> None:
    """The other end of the pipe is gone: no SIGPIPE, no traceback, polling and scrapes go on."""
    with running(aws.environment()) as exporter:
        exporter.wait_until_ready()
        port = exporter.port
        assert exporter.process.stderr is not None
        # As by the end of whoever reads: the descriptor, since the reader's thread is in a read.
        os.dup2(os.open(os.devnull, os.O_RDONLY), exporter.process.stderr.fileno())
        for _ in range(3):
            exporter.process.send_signal(signal.SIGHUP)
            assert "macie_poll_success{" in scraped(port)
        exporter.process.terminate()
        assert exporter.process.wait(30) == 0


def scraped(port: int) -> str:
    """Scrape; nothing where nobody listens as yet."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE) as answer:
            return str(answer.read().decode())
    except URLError:
        return ""


def test_polls_that_hang_do_not_make_it_unhealthy() -> None:
    """Liveness is about the exporter, not about AWS."""
    world = World(fleets.HUB, regions=fleets.REGIONS)
    hold = threading.Event()
    with EmbeddedAws(world) as embedded:
        region = embedded.environment()["AWS_REGION"]
        world.fail(fleets.HUB, region, Fault(500, "x", "", hold=hold))
        with inprocess.running(embedded.environment()) as exporter:
            until(lambda: sum(world.calls().values()) > 1, "a poll hangs")
            assert exporter.request("/-/healthy").status == 200
            stops_in_order(exporter)
        hold.set()


def test_a_task_that_crashes_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told with its traceback, counted, and once there is no hope so do probes hear of it."""

    async def crash() -> None:
        raise RuntimeError("never seen before")

    with without_aws(tmp_path, monkeypatch) as made:
        assert made.daemon.healthy()
        assert made.value("macie_exporter_worker_restarts_total") == 0
        made.loop.do(lambda: made.daemon.keep("poller", crash))
        until(lambda: not made.daemon.healthy(), "no hope")
        assert made.value("macie_exporter_worker_restarts_total") == 6
    assert made.log.count("event=worker_crashed worker=poller") == 6
    assert "RuntimeError: never seen before" in made.log


def test_what_holds_the_loop_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Polls, scrapes and probes wait for it alike."""
    name = "macie_exporter_loop_lag_seconds"
    with without_aws(tmp_path, monkeypatch) as made:
        until(lambda: made.value(name) > 0, "a first measurement")
        made.loop.do(lambda: time.sleep(2.0))
        until(lambda: made.value(name) > 1.5, "the lag")


@contextmanager
def without_aws(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """Run a daemon that reaches no AWS."""
    for name, value in no_aws(folder).items():
        monkeypatch.setenv(name, value)
    with a_daemon(settings_of([], {}, "eu-west-1")) as made:
        yield made
