"""The processes of a measurement: the fake endpoint, the exporter, and what both use."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.endpoint import COUNT_PATH
from benchmarks.sample import REGIONS, ROLE, account_ids

MB = 1_000_000
_SCHEDULED = 2
"""Of a process' clock: what the scheduler counted, as clock_getcpuclockid(3) has it."""

_PATIENCE = 180.0
SCRAPE = {
    "Accept": "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5",
    "Accept-Encoding": "gzip",
}
"""What Prometheus asks for, but for its preference of OpenMetrics' newer forms."""


class Gone(Exception):  # noqa: N818 -- it is the process that is gone
    """A process ended, or did not come to what was waited for; the message says which."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A running fake endpoint."""

    port: int

    @property
    def url(self) -> str:
        """Where it listens, for AWS_ENDPOINT_URL."""
        return f"http://127.0.0.1:{self.port}"

    def count(self) -> tuple[int, float]:
        """Return how many requests it has answered, and its processor seconds."""
        told = json.loads(get(self.port, COUNT_PATH.decode()).body)
        return int(told["requests"]), float(told["seconds"])

    def reached(self, requests: int) -> tuple[int, float]:
        """Wait until it has answered so many requests; give what `count` does."""
        end = time.monotonic() + _PATIENCE
        while (told := self.count())[0] < requests:
            if time.monotonic() > end:
                raise Gone(f"no {requests} requests in {_PATIENCE} s, but {told[0]}")
            time.sleep(0.05)
        return told


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, and how many seconds it took."""

    status: int
    body: bytes
    seconds: float


@dataclass(frozen=True, slots=True)
class Exporter:
    """A running exporter."""

    process: subprocess.Popen[bytes]
    port: int
    configuration: Path
    log: Path
    started: float

    def wait_for(self, path: str, every: float = 0.005) -> float:
        """Wait until a path answers 200; give the seconds since the process was started.

        It is asked every so many seconds, which is load of its own.
        """
        while time.monotonic() - self.started < _PATIENCE:
            with contextlib.suppress(OSError):
                if get(self.port, path).status == http.HTTPStatus.OK:
                    return time.monotonic() - self.started
            if self.process.poll() is not None:
                raise Gone(f"the exporter ended:\n{self.log.read_text()[-2000:]}")
            time.sleep(every)
        raise Gone(f"{path} did not answer 200 in {_PATIENCE} s")

    def scrape(self, encoding: str = "gzip") -> Answer:
        """Scrape as Prometheus does."""
        return get(self.port, "/metrics", {**SCRAPE, "Accept-Encoding": encoding})

    def configure(self, configuration: Mapping[str, object]) -> None:
        """Reload with another configuration, and wait until it is in force."""
        self.configuration.write_text(json.dumps(configuration))
        self.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + _PATIENCE
        while "event=reloaded" not in tail(self.log):
            if time.monotonic() > end:
                raise Gone("the exporter did not reload")
            time.sleep(0.05)

    @property
    def processor_seconds(self) -> float:
        """The processor time of the process so far, of all threads: by its own clock.

        /proc counts in hundredths of a second, which an idle process takes in half a minute.
        """
        return time.clock_gettime((~self.process.pid << 3) | _SCHEDULED)

    @property
    def resident_bytes(self) -> int:
        """The memory that the process holds now."""
        return self._status("VmRSS") * 1024

    @property
    def threads(self) -> int:
        """How many threads the process has now."""
        return self._status("Threads")

    def _status(self, name: str) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(rf"^{name}:\s+(\d+)", status, re.MULTILINE)
        return int(found[1]) if found else 0


def environment(url: str = "") -> dict[str, str]:
    """Return a process's environment: nothing of this machine's own set-up for AWS."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    return {
        **kept,
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": REGIONS[0],
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "*",
        **({"AWS_ENDPOINT_URL": url} if url else {}),
    }


def fleet(
    accounts: int,
    *,
    interval: str,
    concurrency: int,
    roles: bool = True,
    stale_after: str | None = None,
) -> dict[str, object]:
    """Return the configuration of a fleet: so many accounts in twenty regions."""
    role = {"role_name": ROLE} if roles else {}
    return {
        "poll": {
            "interval": interval,
            "concurrency": concurrency,
            **({"stale_after": stale_after} if stale_after else {}),
        },
        "aws": {
            "regions": list(REGIONS),
            "accounts": [{"id": account, **role} for account in account_ids(accounts)],
        },
        "metrics": {"zero_fill": "invited"},
    }


def single() -> dict[str, object]:
    """Return the configuration of one target."""
    return {"aws": {"regions": [REGIONS[0]], "accounts": [{"id": account_ids(1)[0]}]}}


@contextlib.contextmanager
def endpoint(latency: float, invitations: int) -> Iterator[Endpoint]:
    """Run a fake endpoint that answers after so many seconds, until the block ends."""
    process = subprocess.Popen(  # noqa: S603 -- our own module
        [sys.executable, "-m", "benchmarks.endpoint", str(latency), str(invitations)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        if process.stdin is None or process.stdout is None:
            raise Gone("the endpoint has no streams")
        try:
            yield Endpoint(int(process.stdout.readline()))
        finally:
            process.stdin.close()


@contextlib.contextmanager
def exporter(url: str, configuration: Mapping[str, object]) -> Iterator[Exporter]:
    """Run the exporter with its defaults but for what is given, until the block ends."""
    with tempfile.TemporaryDirectory() as folder:
        file, log = Path(folder, "exporter.yaml"), Path(folder, "log")
        file.write_text(json.dumps(configuration))
        port = _free_port()
        command = [sys.executable, "-m", "exporter", "serve", f"--config.file={file}"]
        command.append(f"--web.listen-address=127.0.0.1:{port}")
        started = time.monotonic()
        with (
            log.open("wb") as stream,
            subprocess.Popen(  # noqa: S603 -- our own command
                command, env=environment(url), stdout=subprocess.DEVNULL, stderr=stream
            ) as process,
        ):
            try:
                yield Exporter(process, port, file, log, started)
            finally:
                _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(10)
    process.kill()


def get(port: int, path: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Make one HTTP request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)
    with contextlib.closing(connection):
        began = time.monotonic()
        connection.request("GET", path, headers=dict(headers or {}))
        response = connection.getresponse()
        body = response.read()
        return Answer(response.status, body, time.monotonic() - began)


def loop_lag(exposition: bytes) -> float:
    """Return the most seconds that the loop was held, of half a minute, as a scrape says."""
    found = re.search(rb"^macie_exporter_loop_lag_seconds (\S+)", exposition, re.MULTILINE)
    return float(found[1]) if found else 0.0


def tail(log: Path, size: int = 4096) -> str:
    """Return the end of a file."""
    with log.open("rb") as stream:
        stream.seek(max(log.stat().st_size - size, 0))
        return stream.read().decode(errors="replace")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
