"""What the daemon says of the exporter as a whole. Frozen; times and durations in seconds."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from exporter import __version__
from exporter.model import Inventory
from exporter.state import TargetState


@dataclass(frozen=True, slots=True)
class Build:
    """What this exporter was built from."""

    version: str
    revision: str
    python_version: str


def build(package: Traversable | None = None) -> Build:
    """Return version, revision and Python; an image's build writes REVISION into the package."""
    written = (package or files("exporter")) / "REVISION"
    revision = written.read_text().strip() if written.is_file() else ""
    return Build(__version__, revision or "unknown", platform.python_version())


@dataclass(frozen=True, slots=True)
class Reload:
    """How the last loading of the configuration went."""

    last_success: float
    config_hash: float
    refusal: str = ""
    """What was wrong with a newer one; empty where it was taken on."""

    @property
    def successful(self) -> bool:
        """Whether what was last loaded is in force."""
        return not self.refusal


@dataclass(frozen=True, slots=True)
class WebConfig:
    """How the last reading of the web configuration file went."""

    last_success: float
    certificate_expiry: float | None
    """When the server's certificate ends; None without TLS."""
    refusal: str = ""
    """What is wrong with the file as it is now; empty where it is in force."""

    @property
    def successful(self) -> bool:
        """Whether the file as it is now is in force."""
        return not self.refusal


@dataclass(frozen=True, slots=True)
class Fleet:
    """The exporter as a whole, as of a scrape."""

    states: Mapping[TargetState, int] | None
    """How many targets are in each state; None while nothing is known of what there is to poll."""
    interval: float
    lag: float
    """How many seconds late the latest polls started."""
    loop_lag: float
    """How many seconds late the event loop came round, at most, lately."""
    reload: Reload
    build: Build
    shard_index: int = 0
    shards: int = 1
    trust_configured: bool = False
    discovered: Inventory | None = None
    """What discovery through AWS Organizations found; None without one."""
    web: WebConfig | None = None
