"""Whole expositions of small fleets, literally: what a reader can check by eye."""

from dataclasses import replace
from pathlib import Path

from exporter.exposition.families import METRICS, Group
from exporter.model import NO_ADMINISTRATOR, Account, Administrator, Answer, Inventory, Trust
from tests.exposition.scene import (
    AUDIT,
    DAY,
    NOW,
    PAYMENTS,
    STALE_AFTER,
    Scene,
    invitation,
    options,
)


def test_everything_at_once() -> None:
    """With every option on, each family of the table is there, with its HELP and TYPE once."""
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
    lines = scene.text().splitlines()
    headers = [line for line in lines if line.startswith("#")]
    families = [family for family in METRICS if family.group is not Group.COUNTED]
    assert sorted(headers[::2]) == sorted(f"# HELP {each.name} {each.help}" for each in families)
    assert headers[1::2] == [f"# TYPE {header.split()[2]} gauge" for header in headers[::2]]
    samples = [line for line in lines if not line.startswith("#")]
    assert samples == Path(__file__).with_name("everything.txt").read_text().splitlines()


def test_an_administrator_is_shown_where_it_was_asked_for() -> None:
    """Switched on by a reload, the series come with the next poll; switched off, they go."""
    where = 'aws_account_id="111122223333",aws_region="eu-west-1"'
    has, one = f"macie_has_administrator{{{where}}}", Administrator("1", "Enabled")
    scene = Scene(PAYMENTS)
    scene.answered(PAYMENTS)
    scene.reloaded(options(administrator=True))
    assert "macie_has_administrator{" not in scene.text()
    scene.polled(PAYMENTS, Answer(enabled=True, administrator=NO_ADMINISTRATOR))
    assert f"{has} 0.0" in scene.text()
    assert "macie_administrator_info{" not in scene.text()
    scene.polled(PAYMENTS, Answer(enabled=True, administrator=one))
    scene.failed(PAYMENTS)
    assert f"{has} 1.0" in scene.text()
    scene.clock.advance(STALE_AFTER)
    assert "macie_has_administrator{" not in scene.text()
    scene.polled(PAYMENTS, Answer(enabled=True, administrator=one))
    scene.reloaded(options())
    assert "administrator" not in scene.text()


def test_nobody_is_untrusted_while_it_is_not_known_who_is_trusted() -> None:
    """Until Organizations has said who belongs to it, the untrusted families are absent."""
    scene = Scene(PAYMENTS, shows=replace(options(), trust=Trust(True, frozenset(), False)))  # noqa: FBT003 -- configured, not complete
    scene.answered(PAYMENTS, invitation())
    assert "macie_untrusted" not in scene.text()
    assert "macie_trust_configured 1.0" in scene.text()
