"""The hash of the configuration in force: what it tells apart, and what it does not tell."""

import time

from exporter.settings import Settings
from exporter.settings.fingerprint import config_hash
from tests.settings.loads import loaded


def hashed(*external_ids: str, organization: str = "") -> float:
    """Return the hash of a configuration with accounts of these external ids."""
    accounts = ",".join(
        f'{{"id": "{number:012d}", "role_name": "r", "external_id": "{one}"}}'
        for number, one in enumerate(external_ids)
    )
    flags = [f"aws.organization.external-id={organization}"] if organization else []
    return config_hash(loaded(f"aws.accounts=[{accounts}]", "aws.organization.role-name=r", *flags))


def test_every_secret_counts() -> None:
    """Of one account, of another, of the organization; and which is whose."""
    found = [
        hashed("a", "b"),
        hashed("a", "c"),
        hashed("b", "a"),
        hashed("ab", ""),
        hashed("", "ab"),
        hashed("a", "b", organization="c"),
        hashed("a", "b", organization="d"),
    ]
    assert len(set(found)) == len(found)


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


def test_a_guess_at_a_secret_takes_its_time() -> None:
    """Whoever knows all but the external id can try one: not many a second, though."""
    settings = loaded("aws.organization.role-name=r", "aws.organization.external-id=x")
    started = time.process_time()
    config_hash(settings)
    assert time.process_time() - started > 0.02


def test_it_is_a_whole_number_that_a_float_holds() -> None:
    """As Alertmanager's own is."""
    number = config_hash(Settings())
    assert number == int(number)
    assert 0 < number < 2**48
