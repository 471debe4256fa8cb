"""The pages of the whole daemon: what is polled is what is shown; and what is shipped with it."""

import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.embedded_aws.server import EmbeddedAws
from tests.embedded_aws.world import Fault, Invitation, World
from tests.processes import Exporter, running, until

HUB, MEMBER, BROKEN = "111111111111", "000011112222", "333344445555"
PROJECT = Path(__file__).parents[2]


@pytest.fixture
def world() -> World:
    """An organization of three accounts, one of whose roles does not let the exporter in."""
    world = World(HUB, regions=("eu-west-1",))
    world.add_account(MEMBER, "payments")
    world.add_account(BROKEN, "audit")
    world.invite(MEMBER, "eu-west-1", Invitation("i1", "999988887777", "Invited", None))
    world.break_role(world.role_arn(BROKEN))
    return world


@pytest.fixture
def file(world: World, tmp_path: Path) -> Path:
    """A configuration that polls it."""
    organization = {"role_name": world.role_name, "external_id": "hush-hush"}
    tree = {
        "poll": {"interval": "10s"},
        "aws": {"organization": {**organization, "refresh_interval": "10s"}},
        "web": {"enable_lifecycle": True},
    }
    file = tmp_path / "exporter.yaml"
    file.write_text(json.dumps(tree))
    return file


@pytest.fixture
def exporter(world: World, file: Path) -> Iterator[Exporter]:
    """The exporter that has polled it once."""
    with (
        EmbeddedAws(world) as aws,
        running(aws.environment(), [f"--config.file={file}"]) as started,
    ):
        started.wait_until_ready()
        yield started


def targets(exporter: Exporter) -> dict[str, Any]:
    """Return the targets by account."""
    answer = json.loads(exporter.request("/api/v1/targets").body)
    return {each["account_id"]: each for each in answer["targets"]}


def page(exporter: Exporter, path: str) -> str:
    """Return a page."""
    return exporter.request(path).body.decode()


def test_what_is_polled_is_shown(exporter: Exporter) -> None:
    """Names from Organizations, invitations from Macie, errors from STS; and no secret."""
    shown = targets(exporter)
    assert {account: each["state"] for account, each in shown.items()} == {
        HUB: "ok",
        MEMBER: "ok",
        BROKEN: "failing",
    }
    assert shown[MEMBER]["account_name"] == "payments"
    assert shown[MEMBER]["invitations"] == {"Invited": 1}
    assert all(each["next_poll"] >= each["last_poll"] for each in shown.values())
    error = shown[BROKEN]["error"]
    assert (error["code"], len(error["request_id"])) == ("AccessDenied", 36)
    assert "1 of 3" in page(exporter, "/")
    assert "LetTheExporterIn" in page(exporter, f"/targets/{BROKEN}/eu-west-1")
    config = page(exporter, "/config")
    assert "external_id: &#39;**********&#39;" in config
    assert "refresh_interval: 10s" in config
    for path in ("/", "/targets", f"/targets/{BROKEN}/eu-west-1", "/config"):
        assert "hush-hush" not in page(exporter, path)


def test_a_discovery_that_fails_and_a_reload_that_is_refused_are_told(
    exporter: Exporter, world: World, file: Path
) -> None:
    """On the first page, until they are mended."""
    denied = Fault(403, "AccessDeniedException", "not a delegated administrator")
    world.fail(HUB, "*", denied, service="organizations")
    until(
        lambda: "Accounts cannot be discovered: AccessDeniedException" in page(exporter, "/"),
        "the failed discovery",
    )
    world.heal(HUB, "*", service="organizations")
    until(lambda: "Accounts cannot be discovered" not in page(exporter, "/"), "its success")
    good = file.read_text()
    file.write_text("poll: {interval: 1s}")
    assert exporter.request("/-/reload", "POST").status == 500
    assert "The last reload was refused." in page(exporter, "/")
    assert "refresh_interval: 10s" in page(exporter, "/config")
    file.write_text(good.replace('"10s"', '"20s"'))
    assert exporter.request("/-/reload", "POST").status == 200
    assert "The last reload was refused." not in page(exporter, "/")
    assert "refresh_interval: 20s" in page(exporter, "/config")


def test_templates_and_files_are_in_the_wheel(tmp_path: Path) -> None:
    """An installed exporter has every page that this one has."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=PROJECT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    web = PROJECT / "exporter" / "web"
    wanted = {
        str(path.relative_to(PROJECT))
        for folder in ("static", "templates")
        for path in (web / folder).iterdir()
    }
    assert wanted <= set(zipfile.ZipFile(wheel).namelist())
