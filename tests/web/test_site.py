"""The pages of the whole daemon: what is polled is what is shown; and what is shipped with it."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.embedded_aws.server import EmbeddedAws
from tests.embedded_aws.world import Fault, Invitation, World
from tests.inprocess import running
from tests.processes import until

HUB, MEMBER, BROKEN = "111111111111", "000011112222", "333344445555"
PROJECT = Path(__file__).parents[2]


def organization() -> World:
    """Make an organization of three accounts, one of whose roles does not let the exporter in."""
    world = World(HUB, regions=("eu-west-1",))
    world.add_account(MEMBER, "payments")
    world.add_account(BROKEN, "audit")
    world.invite(MEMBER, "eu-west-1", Invitation("i1", "999988887777", "Invited", None))
    world.break_role(world.role_arn(BROKEN))
    return world


def test_what_is_polled_is_shown(tmp_path: Path) -> None:
    """Names from Organizations, invitations from Macie, errors from STS; and no secret.

    A discovery that fails and a reload that is refused are told until they are mended.
    """
    world, file = organization(), tmp_path / "exporter.yaml"
    asked = {"role_name": world.role_name, "external_id": "hush-hush", "refresh_interval": "10s"}
    tree = {
        "poll": {"interval": "10s"},
        "aws": {"organization": asked},
        "web": {"enable_lifecycle": True},
    }
    file.write_text(json.dumps(tree))
    with (
        EmbeddedAws(world) as aws,
        running(aws.environment(), [f"--config.file={file}"]) as exporter,
    ):
        exporter.wait_until_ready()

        def page(path: str, method: str = "GET") -> str:
            return exporter.request(path, method).body.decode()

        shown = {
            each["account_id"]: each for each in json.loads(page("/api/v1/targets"))["targets"]
        }
        states = {account: each["state"] for account, each in shown.items()}
        assert states == {HUB: "ok", MEMBER: "ok", BROKEN: "failing"}
        assert shown[MEMBER]["account_name"] == "payments"
        assert shown[MEMBER]["invitations"] == {"Invited": 1}
        assert all(each["next_poll"] >= each["last_poll"] for each in shown.values())
        error = shown[BROKEN]["error"]
        assert (error["code"], len(error["request_id"])) == ("AccessDenied", 36)
        assert "1 of 3" in page("/")
        assert "LetTheExporterIn" in page(f"/targets/{BROKEN}/eu-west-1")
        assert "external_id: &#39;**********&#39;" in page("/config")
        for path in ("/", "/targets", f"/targets/{BROKEN}/eu-west-1", "/config"):
            assert "hush-hush" not in page(path)
        assert "# targets" not in page("/config")

        denied = Fault(403, "AccessDeniedException", "not a delegated administrator")
        world.fail(HUB, "*", denied, service="organizations")
        failed = "Accounts cannot be discovered: AccessDeniedException"
        until(lambda: failed in page("/"), "the failed discovery")
        world.heal(HUB, "*", service="organizations")
        until(lambda: failed not in page("/"), "its success")

        good, refused = file.read_text(), "refused:</b> <bdi>poll.interval = &#34;1s&#34; (from "
        file.write_text("poll: {interval: 1s}")
        assert page("/-/reload", "POST").startswith("Not reloaded")
        assert refused in page("/")
        assert "refresh_interval: 10s" in page("/config")
        file.write_text(good.replace('"10s"', '"20s"'))
        assert page("/-/reload", "POST") == "Reloaded.\n"
        assert refused not in page("/")
        assert "refresh_interval: 20s" in page("/config")


def test_templates_and_files_are_in_the_wheel(tmp_path: Path) -> None:
    """An installed exporter has every page that this one has."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=PROJECT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    web = PROJECT / "exporter" / "web"
    files = [*(web / "static").iterdir(), *(web / "templates").iterdir()]
    wanted = {str(path.relative_to(PROJECT)) for path in files}
    assert wanted <= set(zipfile.ZipFile(wheel).namelist())
