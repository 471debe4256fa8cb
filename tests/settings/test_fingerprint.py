"""The hash of the configuration in force: what it tells apart, and what it does not tell."""

from exporter.settings import Settings
from exporter.settings.fingerprint import config_hash
from tests.settings.loads import loaded


def test_replicas_that_are_configured_alike_have_one() -> None:
    """Which shard one is, and where it read, is left out; so are secrets, since it is public."""
    organized = ("aws.organization.role-name=r", "aws.organization.external-id=a")
    guessed = ("aws.organization.role-name=r", "aws.organization.external-id=b")
    accounts = ("shard.total=2", 'aws.accounts=[{"id": "000000000001"}]')
    for one, other in (
        (organized, guessed),
        (organized, (*organized, "shard.index=0")),
        ((*accounts, "shard.index=0"), (*accounts, "shard.index=1")),
    ):
        assert config_hash(loaded(*one)) == config_hash(loaded(*other))
    assert config_hash(loaded(*accounts)) != config_hash(loaded("shard.total=2"))
    # A whole number that a float holds, as Alertmanager's own is.
    number = config_hash(Settings())
    assert number == int(number)
    assert 0 < number < 2**48
