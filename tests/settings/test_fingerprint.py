"""The hash of the configuration in force: what it tells apart, and what it does not tell."""

from exporter.settings import Settings
from exporter.settings.fingerprint import config_hash
from tests.settings.loads import loaded


def test_secrets_are_left_out() -> None:
    """It is public, and could be compared with that of a guess."""
    one, other = (
        loaded("aws.organization.role-name=r", f"aws.organization.external-id={secret}")
        for secret in ("a", "b")
    )
    assert config_hash(one) == config_hash(other)


def test_replicas_that_are_configured_alike_have_one() -> None:
    """Nothing of a process is in it; and which shard one is, and where it read, is left out."""
    alike = [
        loaded("aws.organization.role-name=r", "aws.organization.external-id=x", *flags)
        for flags in ([], ["shard.index=0"])
    ]
    assert len({config_hash(settings) for settings in alike}) == 1
    first, second = (
        loaded(f"shard.index={index}", "shard.total=2", 'aws.accounts=[{"id": "000000000001"}]')
        for index in (0, 1)
    )
    assert config_hash(first) == config_hash(second)
    assert config_hash(first) != config_hash(loaded("shard.total=2"))


def test_it_is_a_whole_number_that_a_float_holds() -> None:
    """As Alertmanager's own is."""
    number = config_hash(Settings())
    assert number == int(number)
    assert 0 < number < 2**48
