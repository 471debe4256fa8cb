"""The metric table keeps the rules that rendering and Prometheus rely on."""

import asyncio
import subprocess
from pathlib import Path

from exporter.exposition.families import METRICS, Group
from exporter.model import Account, Inventory
from tests.exposition.scene import AUDIT, NOW, PAYMENTS, Scene, invitation, options


def test_rows_keep_the_rules() -> None:
    """Labels in the order of the client library's, and what both formats write alike.

    They escape quotes in HELP differently: there is nothing to escape. What is rendered here is
    gauges.
    """
    for family in METRICS:
        counted = family.group is Group.COUNTED
        assert counted or list(family.labels) == sorted(family.labels), family
        assert counted or family.kind == "gauge", family
        assert not set(family.help) & set('"\\\n'), family
        assert family.help.endswith("."), family
    assert len({family.name for family in METRICS}) == len(METRICS)


def test_promtool_has_nothing_to_say(promtool: Path) -> None:
    """Prometheus' own checker reads all of it and complains of nothing."""
    scene = Scene(
        PAYMENTS,
        AUDIT,
        shows=options(zero_fill="all", trusted=["1"], most=10),
        accounts=(Account(PAYMENTS.account_id, 'a "b"\\\nc'),),
        discovery=Inventory(last_success=NOW),
    )
    scene.answered(PAYMENTS, invitation(), invitation("x", at=None))
    scene.failed(AUDIT)
    scene.own.show_process()
    scene.own.attempt("macie2", "ListInvitations", "eu-west-1", 0.1, "ThrottlingException")
    said = subprocess.run(
        [promtool, "check", "metrics"],
        input=b"".join(asyncio.run(scene.exposition.text(scene.own.text))),
        capture_output=True,
        check=False,
    )
    assert (said.returncode, said.stdout, said.stderr) == (0, b"", b"")
