"""The families of the metric table, literally and as Prometheus reads them."""

import asyncio
import platform
import re
import subprocess
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from exporter import __version__
from exporter.exposition.families import METRICS, Group
from exporter.exposition.fleet import Build, build
from exporter.model import NO_ADMINISTRATOR, Account, Administrator, Answer, Inventory
from tests.exposition.scene import AUDIT, DAY, NOW, PAYMENTS, Scene, invitation, options

HERE = Path(__file__)


def everything() -> Scene:
    """Make a scene with every option on."""
    scene = Scene(
        AUDIT,
        PAYMENTS,
        shows=options(
            zero_fill="invited",
            trusted=["999988887777"],
            most=2,
            most_inviters=1,
            labels=("team", "cost center"),
            administrator=True,
        ),
        accounts=(
            Account(AUDIT.account_id, "audit", labels={"team": "b"}),
            Account(PAYMENTS.account_id, "payments", labels={"team": "a", "cost center": "042"}),
        ),
        discovery=Inventory(last_success=NOW - 60),
    )
    listed = (
        invitation("i1"),
        invitation("i2", at=NOW - DAY, inviter="123412341234"),
        invitation("i3", "Enabled", at=NOW - 100 * DAY),
        invitation("i4", "Enabled", at=NOW - 100 * DAY, inviter="123412341234"),
    )
    administrator = Administrator("123412341234", "Enabled")
    scene.polled(PAYMENTS, Answer(enabled=True, invitations=listed, administrator=administrator))
    scene.failed(AUDIT)
    return scene


def test_everything_at_once() -> None:
    """Each family of the table is there, with its HELP and TYPE once.

    Quotes in HELP are written in two ways by the two formats: there are none.
    """
    lines = everything().text().splitlines()
    headers = [line for line in lines if line.startswith("#")]
    families = [family for family in METRICS if family.group is not Group.COUNTED]
    assert sorted(headers[::2]) == sorted(f"# HELP {each.name} {each.help}" for each in families)
    assert headers[1::2] == [f"# TYPE {header.split()[2]} gauge" for header in headers[::2]]
    assert not {*'"\\'} & {*"".join(family.help for family in METRICS)}
    samples = [line for line in lines if not line.startswith("#")]
    assert samples == HERE.with_name("everything.txt").read_text().splitlines()


def test_whether_there_is_an_administrator() -> None:
    """0 says that there is none; where it was not asked for, as until a reload, nothing is said."""
    scene = Scene(PAYMENTS, shows=options(administrator=True))
    has, info = "macie_has_administrator", "macie_administrator_info"
    for administrator, told in (
        (None, {}),
        (NO_ADMINISTRATOR, {has: "0.0"}),
        (Administrator("1", "Enabled"), {has: "1.0", info: "1.0"}),
    ):
        scene.polled(PAYMENTS, Answer(enabled=True, administrator=administrator))
        samples = re.findall(r"(?m)^(macie_\w*administrator\w*){.*} (\S+)$", scene.text())
        assert dict(samples) == told
    scene.reloaded(options())
    assert "administrator" not in scene.text()


def test_promtool_has_nothing_to_say(promtool: Path) -> None:
    """Prometheus' own checker reads all of it and complains of nothing."""
    scene = everything()
    scene.accounts = (Account(PAYMENTS.account_id, 'a "b"\\\nc'),)
    scene.found(PAYMENTS, AUDIT)
    scene.own.show_process()
    scene.own.attempt("macie2", "ListInvitations", "eu-west-1", 0.1, "ThrottlingException")
    said = subprocess.run(
        [promtool, "check", "metrics"],
        input=b"".join(asyncio.run(scene.exposition.text(scene.own.text))),
        capture_output=True,
        check=False,
    )
    assert (said.returncode, said.stdout, said.stderr) == (0, b"", b"")


def test_requests_to_aws() -> None:
    """Counts, errors and durations, and nothing about when a counter was made.

    In OpenMetrics a counter's family has its name without the suffix.
    """
    own = Scene().own
    own.attempt("macie2", "ListInvitations", "eu-west-1", 0.25, None)
    own.attempt("macie2", "ListInvitations", "eu-west-1", 0.5, "ThrottlingException")
    text, openmetrics = (
        "".join(line for line in form.decode().splitlines(keepends=True) if "_aws_" in line)
        for form in (own.text(), own.openmetrics())
    )
    assert text == HERE.with_name("attempts.txt").read_text()
    assert openmetrics == re.sub(r"(?m)^(# \w+ macie_\w+)_total", r"\1", text)


def test_the_process_is_shown_where_it_stays() -> None:
    """The process and Python come on top then; no garbage collector."""
    own = Scene().own
    before = own.text()
    own.show_process()
    others = own.text().removeprefix(before)
    names = {family.name for family in text_string_to_metric_families(others.decode())}
    assert {"python_info", "process_resident_memory_bytes"} <= names
    assert {name.split("_")[0] for name in names - {"python_info"}} == {"process"}


def test_an_image_says_its_revision(tmp_path: Path) -> None:
    """By the file that its build writes beside the code; a checkout has none."""
    assert build() == Build(__version__, "unknown", platform.python_version())
    (tmp_path / "REVISION").write_text("abcdef0\n")
    assert build(tmp_path).revision == "abcdef0"
