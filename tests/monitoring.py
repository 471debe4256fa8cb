"""The real Prometheus and Alertmanager as processes: own ports, storage and configuration."""

import contextlib
import json
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests import faulty
from tests.faulty import FaultyServer, free_port, response, send
from tests.processes import until

Result = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Peer:
    """A running Prometheus or Alertmanager."""

    port: int

    @property
    def address(self) -> str:
        """Where it listens, as a scrape configuration names it."""
        return f"127.0.0.1:{self.port}"

    def get(self, path: str, **parameters: str) -> Any:
        """Ask its API."""
        url = f"http://{self.address}{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=30) as response:
            return json.load(response)

    def post(self, path: str, value: object) -> None:
        """Send its API something."""
        url, body = f"http://{self.address}{path}", json.dumps(value).encode()
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30):  # noqa: S310 -- HTTP: see above
            pass

    def is_ready(self) -> bool:
        """Return whether it answers."""
        try:
            url = f"http://{self.address}/-/ready"
            with urllib.request.urlopen(url, timeout=5) as response:
                return bool(response.status == 200)
        except OSError:
            return False


@dataclass(frozen=True, slots=True)
class Prometheus(Peer):
    """A running Prometheus."""

    def now(self, expr: str) -> Result:
        """Ask an instant query; gives a vector."""
        result: Result = self.get("/api/v1/query", query=expr)["data"]["result"]
        return result

    def over_time(self, expr: str, start: float, end: float) -> Result:
        """Ask a range query, second by second; gives a matrix."""
        span = {"start": str(start), "end": str(end), "step": "1"}
        result: Result = self.get("/api/v1/query_range", query=expr, **span)["data"]["result"]
        return result

    def targets(self) -> Result:
        """Return the targets that it scrapes, as its API tells of them."""
        found: Result = self.get("/api/v1/targets")["data"]["activeTargets"]
        return found


def impatient(rules: Path) -> str:
    """Return a file of rules, evaluated each second and without their waiting times."""
    tree = yaml.safe_load(rules.read_text())
    for group in tree["groups"]:
        group["interval"] = "1s"
        for rule in group["rules"]:
            if "for" in rule:
                rule["for"] = "1s"
    return yaml.safe_dump(tree)


@contextlib.contextmanager
def running(program: Path, folder: Path, configuration: Mapping[str, Any]) -> Iterator[Prometheus]:
    """Run Prometheus with a configuration until the block ends; its files are in the folder."""
    prometheus = Prometheus(free_port())
    flags = {"--storage.tsdb.path": str(folder / "data")}
    with _process(program, folder, configuration, prometheus, flags):
        yield prometheus


@contextlib.contextmanager
def alerting(program: Path, folder: Path, configuration: Mapping[str, Any]) -> Iterator[Peer]:
    """Run Alertmanager with a configuration until the block ends; its files are in the folder."""
    alertmanager = Peer(free_port())
    # Alone: without an address it looks for no others.
    flags = {"--storage.path": str(folder / "data"), "--cluster.listen-address": ""}
    with _process(program, folder, configuration, alertmanager, flags):
        yield alertmanager


@contextlib.contextmanager
def _process(
    program: Path,
    folder: Path,
    configuration: Mapping[str, Any],
    peer: Peer,
    flags: Mapping[str, str],
) -> Iterator[None]:
    folder.mkdir(exist_ok=True)
    file, told = folder / "configuration.yml", folder / "log"
    file.write_text(yaml.safe_dump(dict(configuration)))
    own = {"--config.file": str(file), "--web.listen-address": peer.address}
    with told.open("w") as log:
        process = subprocess.Popen(
            [program, *(f"{name}={value}" for name, value in {**own, **flags}.items())],
            stdout=log,
            stderr=log,
        )
    try:
        until(
            lambda: process.poll() is not None or peer.is_ready(),
            lambda: f"ready: {told.read_text()}",
        )
        assert process.poll() is None, told.read_text()
        yield
    finally:
        process.terminate()
        process.wait(30)


@dataclass(frozen=True, slots=True)
class Notification:
    """One alert of one message that Alertmanager sent."""

    status: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


class Webhook:
    """Keeps what Alertmanager sends, as somebody's chat or pager would."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.messages: list[tuple[Notification, ...]] = []

    def of(self, **labels: str) -> list[Notification]:
        """Return what has come so far of alerts with these labels, first things first."""
        received = (each for message in self.messages for each in message)
        return [each for each in received if labels.items() <= each.labels.items()]

    @contextlib.contextmanager
    def listening(self) -> Iterator[str]:
        """Receive until the block ends; gives the URL to send to."""
        with FaultyServer(self._receive) as server:
            yield server.url

    def _receive(self, peer: faulty.Peer) -> bool:
        alerts = json.loads(peer.request.body)["alerts"]
        told = (Notification(one["status"], one["labels"], one["annotations"]) for one in alerts)
        self.messages.append(tuple(told))
        return send(response(""))(peer)
