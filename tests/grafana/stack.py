"""The real Prometheus as a process: its own port, storage and configuration."""

import contextlib
import json
import socket
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.processes import until

Result = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A running Prometheus."""

    port: int

    def get(self, path: str, **parameters: str) -> Any:
        """Ask its API; gives `data`."""
        url = f"http://127.0.0.1:{self.port}{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=30) as response:
            return json.load(response)["data"]

    def now(self, expr: str) -> Result:
        """Ask an instant query; gives a vector."""
        result: Result = self.get("/api/v1/query", query=expr)["result"]
        return result

    def over_time(self, expr: str, start: float, end: float) -> Result:
        """Ask a range query, second by second; gives a matrix."""
        span = {"start": str(start), "end": str(end), "step": "1"}
        result: Result = self.get("/api/v1/query_range", query=expr, **span)["result"]
        return result

    def is_ready(self) -> bool:
        """Tell whether it answers queries."""
        try:
            url = f"http://127.0.0.1:{self.port}/-/ready"
            with urllib.request.urlopen(url, timeout=5) as response:
                return bool(response.status == 200)
        except OSError:
            return False


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


@contextlib.contextmanager
def running(program: Path, folder: Path, configuration: Mapping[str, Any]) -> Iterator[Prometheus]:
    """Run Prometheus with a configuration until the block ends; its files are in the folder."""
    prometheus = Prometheus(free_port())
    (folder / "prometheus.yml").write_text(yaml.safe_dump(dict(configuration)))
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [
                program,
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{prometheus.port}",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        until(
            lambda: process.poll() is not None or prometheus.is_ready(),
            lambda: f"ready: {(folder / 'log').read_text()}",
        )
        assert process.poll() is None, (folder / "log").read_text()
        yield prometheus
    finally:
        process.terminate()
        process.wait(30)
