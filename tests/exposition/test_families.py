"""The metric table keeps the rules that rendering and Prometheus rely on."""

import asyncio
import subprocess
from pathlib import Path

import pytest

from exporter.exposition.families import METRICS, Family, Group
from exporter.exposition.samples import TargetView
from exporter.model import Account, Answer, Inventory
from exporter.state import TargetRecord
from tests.exposition.scene import AUDIT, NOW, PAYMENTS, Scene, invitation, options

by_name = pytest.mark.parametrize("family", METRICS, ids=lambda family: family.name)


@by_name
def test_labels_are_in_the_order_of_their_names(family: Family) -> None:
    """Labels are written in the order that the client library writes them in."""
    if family.group is not Group.COUNTED:
        assert list(family.labels) == sorted(family.labels)


@by_name
def test_help_is_the_same_in_both_formats(family: Family) -> None:
    """The formats escape quotes in HELP differently: there is nothing to escape."""
    assert not set(family.help) & set('"\\\n')
    assert family.help.endswith(".")


@by_name
def test_only_what_is_counted_is_no_gauge(family: Family) -> None:
    """What is rendered here is gauges, or of no type: both formats write those alike."""
    assert family.group is Group.COUNTED or family.kind in {"gauge", "untyped"}
    assert family.kind != "untyped" or family.name == "macie_exporter_shards"


def test_names_are_unique() -> None:
    """No family is there twice."""
    assert len({family.name for family in METRICS}) == len(METRICS)


def test_without_a_time_there_is_no_time_to_show() -> None:
    """A single invitation whose time cannot be read has no sample."""
    family = next(one for one in METRICS if one.name == "macie_invitation_timestamp_seconds")
    answer = Answer(enabled=True, invitations=(invitation(at=None),))
    assert list(family.samples(TargetView(TargetRecord(PAYMENTS), answer, None))) == []


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
