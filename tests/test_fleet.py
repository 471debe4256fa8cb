"""A whole organization on the embedded AWS: discovery, shards, reload."""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from exporter.exposition.families import TARGET_LABELS
from tests import fleets
from tests.daemons import values
from tests.embedded_aws.server import EmbeddedAws
from tests.embedded_aws.world import World
from tests.inprocess import running
from tests.processes import Exporter, Series, until
from tests.processes import running as process

ACCOUNTS = 30


@pytest.fixture
def world() -> World:
    """An organization of thirty members."""
    made = World(fleets.HUB, regions=fleets.REGIONS)
    for account in fleets.accounts(ACCOUNTS):
        made.add_account(account, f"account {account}")
    return made


@pytest.fixture
def aws(world: World) -> Iterator[EmbeddedAws]:
    """The embedded AWS that holds them."""
    with EmbeddedAws(world) as embedded:
        yield embedded


def configuration() -> dict[str, Any]:
    """Configure discovery."""
    return {
        "aws": {
            "regions": list(fleets.REGIONS),
            "organization": {"role_name": "macie-invitations-reader"},
        },
        "metrics": {"zero_fill": "none"},
        "web": {"enable_lifecycle": True},
    }


class File:
    """A configuration file that the test rewrites."""

    def __init__(self, path: Path) -> None:
        self.path = path / "exporter.yaml"

    def write(self, tree: dict[str, Any]) -> str:
        """Write settings; give the flag that names the file."""
        self.path.write_text(json.dumps(tree))
        return f"--config.file={self.path}"


@pytest.fixture
def file(tmp_path: Path) -> File:
    """A place for a configuration."""
    return File(tmp_path)


def targets(series: Series) -> list[tuple[str, ...]]:
    """Return the polled targets."""
    return sorted(values(series, "macie_poll_success", *TARGET_LABELS))


def all_of(*accounts: str) -> list[tuple[str, ...]]:
    """Return accounts in every region."""
    return sorted((account, region) for account in accounts for region in fleets.REGIONS)


def value(series: Series, name: str) -> float:
    """Return the value of a family of one series."""
    [(_, found)] = values(series, name).items()
    return found


def test_three_shards_hold_every_target_once(aws: EmbeddedAws, file: File) -> None:
    """Three exporters, named as a StatefulSet names its pods."""
    flag = file.write(configuration())
    held: list[tuple[str, ...]] = []
    with ExitStack() as stack:
        shards = [
            stack.enter_context(
                running(
                    aws.environment() | {"POD_NAME": f"exporter-{index}"},
                    [flag, "--shard.index=auto", "--shard.total=3"],
                )
            )
            for index in range(3)
        ]
        for index, exporter in enumerate(shards):
            exporter.wait_until_ready()
            series = exporter.series()
            assert value(series, "macie_exporter_shard_index") == index
            assert value(series, "macie_exporter_shards") == 3
            held += targets(series)
    assert sorted(held) == all_of(fleets.HUB, *fleets.accounts(ACCOUNTS))


def test_reload_changes_what_is_configured(world: World, aws: EmbeddedAws, file: File) -> None:
    """By SIGHUP and over HTTP; what is known of targets that remain stays known."""
    members = fleets.accounts(ACCOUNTS)
    tree = configuration()
    del tree["aws"]["organization"]
    tree["aws"]["accounts"] = [{"id": m, "role_arn": world.role_arn(m)} for m in members[:2]]
    with running(aws.environment(), [file.write(tree)]) as exporter:
        exporter.wait_until_ready()
        before = exporter.series()
        tree["aws"]["accounts"] = [{"id": m, "role_arn": world.role_arn(m)} for m in members[1:3]]
        tree["metrics"] = {"zero_fill": "invited"}
        file.write(tree)
        exporter.hang_up()
        until(lambda: targets(exporter.series()) == all_of(*members[1:3]), "new targets polled")
        after = exporter.series()
        target, kept = (members[1], "us-east-1"), "macie_poll_timestamp_seconds"
        then, now = (values(each, kept, *TARGET_LABELS)[target] for each in (before, after))
        assert then == now
        assert any(name == "macie_invitations" for name, _ in after)
        old, new = (value(each, "macie_exporter_config_hash") for each in (before, after))
        assert old != new
        tree["web"]["telemetry_path"] = "/other"
        file.write(tree)
        assert exporter.request("/-/reload", "POST").status == 200
        assert exporter.request("/other").status == 200
        assert exporter.request("/metrics").status == 404


def test_a_wrong_file_changes_nothing(aws: EmbeddedAws, file: File) -> None:
    """500 with the reason, the reload metrics say so, and the old configuration goes on.

    An empty one is being written: its accounts would all go, to come back without what was known.
    """
    success = "macie_exporter_config_last_reload_successful"
    when = "macie_exporter_config_last_reload_success_timestamp_seconds"
    empty = "has no settings at its top; to have the defaults"
    with running(aws.environment(), [file.write(configuration())]) as exporter:
        exporter.wait_until_ready()
        before = exporter.series()
        for content, why in (
            ("", empty),
            ("# exporter.yaml\n", empty),
            ("poll: {intervl: 5m}", "nearest is poll.interval"),
        ):
            file.path.write_text(content)
            answer = exporter.request("/-/reload", "POST")
            assert answer.status == 500
            assert why in answer.body.decode()
        after = exporter.series()
        assert (value(before, success), value(after, success)) == (1, 0)
        assert value(after, when) == value(before, when)
        assert targets(after) == targets(before)
        file.path.write_text("{}")
        assert exporter.request("/-/reload", "POST").status == 200
        assert value(exporter.series(), success) == 1


def resources(exporter: Exporter) -> tuple[int, int]:
    """Count a process's threads and open files."""
    process = Path("/proc") / str(exporter.process.pid)
    return len(os.listdir(process / "task")), len(os.listdir(process / "fd"))  # noqa: PTH208


def test_sixty_reloads_under_load(world: World, aws: EmbeddedAws, file: File) -> None:
    """While being polled and scraped: nothing lost, no thread or file left over."""
    members = fleets.accounts(ACCOUNTS)[:5]
    tree = configuration()
    del tree["aws"]["organization"]
    tree["aws"]["accounts"] = [{"id": m, "role_arn": world.role_arn(m)} for m in members]
    scraping = threading.Event()
    flags = [file.write(tree), "--poll.interval=10s", "--poll.concurrency=8"]
    with process(aws.environment(), flags) as exporter:
        exporter.wait_until_ready()
        expected = targets(exporter.series())
        until(lambda: exporter.request("/-/reload", "POST").status == 200, "a first reload")
        before = resources(exporter)
        lost: list[object] = []

        def scrape() -> None:
            while not scraping.is_set():
                if targets(exporter.series()) != expected:
                    lost.append(exporter.series())

        thread = threading.Thread(target=scrape)
        thread.start()
        for number in range(60):
            tree["metrics"] = {"zero_fill": ("all", "none")[number % 2]}
            file.write(tree)
            assert exporter.request("/-/reload", "POST").status == 200
        scraping.set()
        thread.join()
        assert not lost
        threads, files = before
        until(
            lambda: resources(exporter)[0] <= threads + 1 and resources(exporter)[1] <= files + 1,
            f"threads and files as before: {before}",
        )
