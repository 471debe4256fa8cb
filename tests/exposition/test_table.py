"""The metric table keeps the rules that rendering and Prometheus rely on."""

import subprocess
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from exporter.exposition.table import METRICS, Discovery, Family, Group
from exporter.model import Account
from exporter.telemetry import Telemetry
from tests.exposition.scene import AUDIT, NOW, PAYMENTS, Scene, invitation, options

by_name = pytest.mark.parametrize("family", METRICS, ids=lambda family: family.name)


@by_name
def test_labels_are_in_the_order_of_their_names(family: Family) -> None:
    """Labels are written in the order that the client library writes them in."""
    if family.group is not Group.TELEMETRY:
        assert list(family.labels) == sorted(family.labels)


@by_name
def test_help_is_the_same_in_both_formats(family: Family) -> None:
    """The formats escape quotes in HELP differently: there is nothing to escape."""
    assert not set(family.help) & set('"\\\n')
    assert family.help.endswith(".")


@by_name
def test_only_telemetry_counts(family: Family) -> None:
    """What is rendered here is gauges, or of no type: both formats write those alike."""
    assert family.group is Group.TELEMETRY or family.kind in {"gauge", "untyped"}
    assert family.kind != "untyped" or family.name == "macie_exporter_shard_total"


def test_names_are_unique() -> None:
    """No family is there twice."""
    assert len({family.name for family in METRICS}) == len(METRICS)


def test_without_a_time_there_is_no_time_to_show() -> None:
    """A single invitation whose time cannot be read has no sample."""
    family = next(one for one in METRICS if one.group is Group.INVITATION)
    assert list(family.samples((PAYMENTS, invitation(at=None)))) == []


def test_promtool_has_nothing_to_say(promtool: Path) -> None:
    """Prometheus' own checker reads all of it and complains of nothing."""
    scene = Scene(
        PAYMENTS,
        AUDIT,
        shows=options(zero_fill="all", trusted=["1"], most=10),
        accounts=(Account(PAYMENTS.account_id, 'a "b"\\\nc'),),
        discovery=Discovery(success=True, last_success=NOW),
    )
    scene.answered(PAYMENTS, invitation(), invitation("x", at=None))
    scene.failed(AUDIT)
    telemetry = Telemetry(CollectorRegistry())
    telemetry.show_process()
    telemetry.attempt("macie2", "ListInvitations", "eu-west-1", 0.1, "ThrottlingException")
    said = subprocess.run(
        [promtool, "check", "metrics"],
        input=scene.cache.text(telemetry.text()),
        capture_output=True,
        check=False,
    )
    assert (said.returncode, said.stdout, said.stderr) == (0, b"", b"")
