"""All that is shown of invitations, literally: what a reader can check by eye."""

from dataclasses import replace

# ruff: noqa: E501 -- lines are as long as Prometheus' own
from datetime import timedelta

from exporter.model import Trust
from tests.exposition.scene import (
    AUDIT,
    DAY,
    NOW,
    PAYMENTS,
    Scene,
    invitation,
    options,
)


def test_zero_fill_all() -> None:
    """All known statuses and buckets are there, 0 included; `unknown` is not."""
    scene = Scene(AUDIT, shows=options(zero_fill="all", edges=[timedelta(hours=36)]))
    scene.answered(AUDIT, invitation())
    assert (
        scene.invitations()
        == """\
macie_invitations{age_bucket="000h-036h",aws_account_id="000000000042",aws_region="us-east-1",relationship_status="Enabled"} 0.0
macie_invitations{age_bucket="036h-inf",aws_account_id="000000000042",aws_region="us-east-1",relationship_status="Enabled"} 0.0
macie_invitations{age_bucket="000h-036h",aws_account_id="000000000042",aws_region="us-east-1",relationship_status="Paused"} 0.0
macie_invitations{age_bucket="036h-inf",aws_account_id="000000000042",aws_region="us-east-1",relationship_status="Paused"} 0.0
macie_invitations{age_bucket="000h-036h",aws_account_id="000000000042",aws_region="us-east-1",relationship_status="Invited"} 1.0
macie_invitations{age_bucket="036h-inf",aws_account_id="000000000042",aws_region="us-east-1",relationship_status="Invited"} 0.0
macie_invitations{age_bucket="000h-036h",aws_account_id="000000000042",aws_region="us-east-1",relationship_status="Created"} 0.0
macie_invitations{age_bucket="036h-inf",aws_account_id="000000000042",aws_region="us-east-1",relationship_status="Created"} 0.0
macie_invitations{age_bucket="000h-036h",aws_account_id="000000000042",aws_region="us-east-1",relationship_status="Removed"} 0.0
macie_invitations{age_bucket="036h-inf",aws_account_id="000000000042",aws_region="us-east-1",relationship_status="Removed"} 0.0
macie_invitations{age_bucket="000h-036h",aws_account_id="000000000042",aws_region="us-east-1",relationship_status="Resigned"} 0.0
macie_invitations{age_bucket="036h-inf",aws_account_id="000000000042",aws_region="us-east-1",relationship_status="Resigned"} 0.0
macie_invitations{age_bucket="000h-036h",aws_account_id="000000000042",aws_region="us-east-1",relationship_status="EmailVerificationInProgress"} 0.0
macie_invitations{age_bucket="036h-inf",aws_account_id="000000000042",aws_region="us-east-1",relationship_status="EmailVerificationInProgress"} 0.0
macie_invitations{age_bucket="000h-036h",aws_account_id="000000000042",aws_region="us-east-1",relationship_status="EmailVerificationFailed"} 0.0
macie_invitations{age_bucket="036h-inf",aws_account_id="000000000042",aws_region="us-east-1",relationship_status="EmailVerificationFailed"} 0.0
macie_invitations{age_bucket="000h-036h",aws_account_id="000000000042",aws_region="us-east-1",relationship_status="RegionDisabled"} 0.0
macie_invitations{age_bucket="036h-inf",aws_account_id="000000000042",aws_region="us-east-1",relationship_status="RegionDisabled"} 0.0
macie_invitations{age_bucket="000h-036h",aws_account_id="000000000042",aws_region="us-east-1",relationship_status="AccountSuspended"} 0.0
macie_invitations{age_bucket="036h-inf",aws_account_id="000000000042",aws_region="us-east-1",relationship_status="AccountSuspended"} 0.0
macie_invitation_oldest_timestamp_seconds{aws_account_id="000000000042",aws_region="us-east-1",relationship_status="Invited"} 1.6999568e+09
macie_invitation_newest_timestamp_seconds{aws_account_id="000000000042",aws_region="us-east-1",relationship_status="Invited"} 1.6999568e+09
macie_untrusted_inviter_series_dropped 0.0
macie_invitation_series_dropped 0.0
"""
    )


def test_zero_fill_invited() -> None:
    """Only what is invited is filled with zeros; other statuses show where there are any."""
    scene = Scene(PAYMENTS, shows=options(zero_fill="invited"))
    scene.answered(PAYMENTS, invitation("a", "Paused"))
    assert (
        scene.invitations()
        == """\
macie_invitations{age_bucket="00d-01d",aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Invited"} 0.0
macie_invitations{age_bucket="01d-07d",aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Invited"} 0.0
macie_invitations{age_bucket="07d-30d",aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Invited"} 0.0
macie_invitations{age_bucket="30d-90d",aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Invited"} 0.0
macie_invitations{age_bucket="90d-inf",aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Invited"} 0.0
macie_invitations{age_bucket="00d-01d",aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Paused"} 1.0
macie_invitation_oldest_timestamp_seconds{aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Paused"} 1.6999568e+09
macie_invitation_newest_timestamp_seconds{aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Paused"} 1.6999568e+09
macie_untrusted_inviter_series_dropped 0.0
macie_invitation_series_dropped 0.0
"""
    )


def test_zero_fill_none() -> None:
    """Nothing is filled with zeros."""
    scene = Scene(PAYMENTS)
    scene.answered(PAYMENTS)
    assert (
        scene.invitations()
        == """\
macie_untrusted_inviter_series_dropped 0.0
macie_invitation_series_dropped 0.0
"""
    )


def test_trusted_inviters() -> None:
    """Invitations from accounts that are not trusted are counted by status."""
    scene = Scene(PAYMENTS, shows=options(trusted=["999988887777"]))
    scene.answered(
        PAYMENTS,
        invitation("a"),
        invitation("b", inviter="123412341234"),
        invitation("c", "Paused"),
    )
    assert (
        scene.invitations()
        == """\
macie_invitations{age_bucket="00d-01d",aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Invited"} 2.0
macie_invitations{age_bucket="00d-01d",aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Paused"} 1.0
macie_invitation_oldest_timestamp_seconds{aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Invited"} 1.6999568e+09
macie_invitation_oldest_timestamp_seconds{aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Paused"} 1.6999568e+09
macie_invitation_newest_timestamp_seconds{aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Invited"} 1.6999568e+09
macie_invitation_newest_timestamp_seconds{aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Paused"} 1.6999568e+09
macie_untrusted_invitations{aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Invited"} 1.0
macie_untrusted_inviter_timestamp_seconds{aws_account_id="111122223333",aws_region="eu-west-1",inviter_account_id="123412341234",relationship_status="Invited"} 1.6999568e+09
macie_untrusted_inviter_series_dropped 0.0
macie_invitation_series_dropped 0.0
"""
    )


def test_trusted_inviters_zero_filled() -> None:
    """The untrusted are filled with zeros as the others are."""
    scene = Scene(PAYMENTS, shows=options(zero_fill="invited", trusted=["999988887777"]))
    scene.answered(PAYMENTS, invitation("a"), invitation("b", "Paused", inviter="123412341234"))
    assert (
        scene.invitations()
        == """\
macie_invitations{age_bucket="00d-01d",aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Invited"} 1.0
macie_invitations{age_bucket="01d-07d",aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Invited"} 0.0
macie_invitations{age_bucket="07d-30d",aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Invited"} 0.0
macie_invitations{age_bucket="30d-90d",aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Invited"} 0.0
macie_invitations{age_bucket="90d-inf",aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Invited"} 0.0
macie_invitations{age_bucket="00d-01d",aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Paused"} 1.0
macie_invitation_oldest_timestamp_seconds{aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Invited"} 1.6999568e+09
macie_invitation_oldest_timestamp_seconds{aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Paused"} 1.6999568e+09
macie_invitation_newest_timestamp_seconds{aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Invited"} 1.6999568e+09
macie_invitation_newest_timestamp_seconds{aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Paused"} 1.6999568e+09
macie_untrusted_invitations{aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Invited"} 0.0
macie_untrusted_invitations{aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Paused"} 1.0
macie_untrusted_inviter_timestamp_seconds{aws_account_id="111122223333",aws_region="eu-west-1",inviter_account_id="123412341234",relationship_status="Paused"} 1.6999568e+09
macie_untrusted_inviter_series_dropped 0.0
macie_invitation_series_dropped 0.0
"""
    )


def test_an_untrusted_inviter_is_as_old_as_its_oldest_invitation() -> None:
    """Each by status; one without a readable time is there all the same, as 0."""
    scene = Scene(PAYMENTS, shows=options(trusted=["999988887777"]))
    scene.answered(
        PAYMENTS,
        invitation("a", at=NOW - DAY, inviter="123412341234"),
        invitation("b", at=NOW - 2 * DAY, inviter="123412341234"),
        invitation("c", at=None, inviter="123412341234"),
        invitation("d", "Paused", at=None, inviter="123412341234"),
        invitation("e"),
    )
    shown = [line for line in scene.invitations().splitlines() if "untrusted_inviter" in line]
    assert shown == [
        'macie_untrusted_inviter_timestamp_seconds{aws_account_id="111122223333",aws_region="eu-west-1",inviter_account_id="123412341234",relationship_status="Invited"} 1.6998272e+09',
        'macie_untrusted_inviter_timestamp_seconds{aws_account_id="111122223333",aws_region="eu-west-1",inviter_account_id="123412341234",relationship_status="Paused"} 0.0',
        "macie_untrusted_inviter_series_dropped 0.0",
    ]


def test_nobody_is_untrusted_while_it_is_not_known_who_is_trusted() -> None:
    """Until Organizations has said who belongs to it, the untrusted families are absent."""
    scene = Scene(PAYMENTS, shows=replace(options(), trust=Trust(True, frozenset(), False)))  # noqa: FBT003 -- configured, not complete
    scene.answered(PAYMENTS, invitation())
    assert "macie_untrusted" not in scene.text()
    assert "macie_trust_configured 1.0" in scene.text()


def test_single_invitations_up_to_the_cap() -> None:
    """The newest have a series each, up to the cap; how many are left out is said. What has no time has no series."""
    scene = Scene(AUDIT, PAYMENTS, shows=options(most=2))
    scene.answered(
        PAYMENTS,
        invitation("a", at=NOW - DAY),
        invitation("b", at=NOW - 2 * DAY),
        invitation("x", at=None),
    )
    scene.answered(AUDIT, invitation("c"))
    assert (
        scene.invitations()
        == """\
macie_invitations{age_bucket="00d-01d",aws_account_id="000000000042",aws_region="us-east-1",relationship_status="Invited"} 1.0
macie_invitations{age_bucket="01d-07d",aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Invited"} 2.0
macie_invitations{age_bucket="unknown",aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Invited"} 1.0
macie_invitation_oldest_timestamp_seconds{aws_account_id="000000000042",aws_region="us-east-1",relationship_status="Invited"} 1.6999568e+09
macie_invitation_oldest_timestamp_seconds{aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Invited"} 1.6998272e+09
macie_invitation_newest_timestamp_seconds{aws_account_id="000000000042",aws_region="us-east-1",relationship_status="Invited"} 1.6999568e+09
macie_invitation_newest_timestamp_seconds{aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Invited"} 1.6999136e+09
macie_untrusted_inviter_series_dropped 0.0
macie_invitation_timestamp_seconds{aws_account_id="000000000042",aws_region="us-east-1",invitation_id="c",inviter_account_id="999988887777",relationship_status="Invited"} 1.6999568e+09
macie_invitation_timestamp_seconds{aws_account_id="111122223333",aws_region="eu-west-1",invitation_id="a",inviter_account_id="999988887777",relationship_status="Invited"} 1.6999136e+09
macie_invitation_series_dropped 1.0
"""
    )


def test_listed_twice() -> None:
    """An invitation that AWS lists twice counts twice, but has one series of its own."""
    scene = Scene(PAYMENTS, shows=options(most=10))
    scene.answered(PAYMENTS, invitation("a"), invitation("a"))
    assert (
        scene.invitations()
        == """\
macie_invitations{age_bucket="00d-01d",aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Invited"} 2.0
macie_invitation_oldest_timestamp_seconds{aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Invited"} 1.6999568e+09
macie_invitation_newest_timestamp_seconds{aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Invited"} 1.6999568e+09
macie_untrusted_inviter_series_dropped 0.0
macie_invitation_timestamp_seconds{aws_account_id="111122223333",aws_region="eu-west-1",invitation_id="a",inviter_account_id="999988887777",relationship_status="Invited"} 1.6999568e+09
macie_invitation_series_dropped 0.0
"""
    )


def test_odd_invitations() -> None:
    """An unknown status appears as it is; without a time the age is unknown; from the future it is 0."""
    scene = Scene(PAYMENTS)
    scene.answered(
        PAYMENTS,
        invitation("a", "OnTheMoon", at=NOW - DAY),
        invitation("b", at=None),
        invitation("c", at=NOW + DAY),
    )
    assert (
        scene.invitations()
        == """\
macie_invitations{age_bucket="01d-07d",aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="OnTheMoon"} 1.0
macie_invitations{age_bucket="unknown",aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Invited"} 1.0
macie_invitations{age_bucket="00d-01d",aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Invited"} 1.0
macie_invitation_oldest_timestamp_seconds{aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="OnTheMoon"} 1.6999136e+09
macie_invitation_oldest_timestamp_seconds{aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Invited"} 1.7000864e+09
macie_invitation_newest_timestamp_seconds{aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="OnTheMoon"} 1.6999136e+09
macie_invitation_newest_timestamp_seconds{aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="Invited"} 1.7000864e+09
macie_untrusted_inviter_series_dropped 0.0
macie_invitation_series_dropped 0.0
"""
    )


def test_hostile_labels() -> None:
    """What AWS sends ends no line and no label; a lone surrogate costs nothing but itself."""
    scene = Scene(PAYMENTS, shows=options(most=10))
    scene.answered(PAYMENTS, invitation('"}\n\\', "a\ud800b", at=NOW - DAY, inviter="{} 1"))
    assert (
        "\n" + scene.invitations()
        == r"""
macie_invitations{age_bucket="01d-07d",aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="a\\ud800b"} 1.0
macie_invitation_oldest_timestamp_seconds{aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="a\\ud800b"} 1.6999136e+09
macie_invitation_newest_timestamp_seconds{aws_account_id="111122223333",aws_region="eu-west-1",relationship_status="a\\ud800b"} 1.6999136e+09
macie_untrusted_inviter_series_dropped 0.0
macie_invitation_timestamp_seconds{aws_account_id="111122223333",aws_region="eu-west-1",invitation_id="\"}\n\\",inviter_account_id="{} 1",relationship_status="a\\ud800b"} 1.6999136e+09
macie_invitation_series_dropped 0.0
"""
    )
