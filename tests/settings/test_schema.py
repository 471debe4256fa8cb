"""The tree of settings as JSON schema, and its hash."""

import re
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # its stubs are a package of their own
import pytest
import yaml

from exporter.settings import Settings
from exporter.settings.fingerprint import config_hash
from tests.settings.loads import CORPUS, loaded
from tools.schema import settings_schema

SCHEMA = settings_schema()

# Numbers and durations are compared, or keys of two sections; Macie opens in more regions.
BEYOND_A_SCHEMA = {
    *("accounts-twice", "account-labels", "web-path", "web-port", "trust-organization"),
    *("age-buckets-hours", "age-buckets-order", "age-buckets-twice", "bounds-high", "bounds-low"),
    *("regions", "regions-allowed", "shard-outside", "stale-after", "stale-after-default"),
}
"""Bad files of which at least one error is beyond what JSON schema can say."""


def test_the_schema_is_valid_and_describes_every_key() -> None:
    """It is closed, with a description at every key, and defaults as they are written."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    for section in (SCHEMA, *SCHEMA["$defs"].values()):
        assert section["additionalProperties"] is False
        for key in section["properties"].values():
            assert key.get("description") or "$ref" in key
    poll, metrics = (SCHEMA["$defs"][name]["properties"] for name in ("Poll", "Metrics"))
    assert poll["interval"]["default"] == "5m"
    assert metrics["age_buckets"]["default"] == ["1d", "7d", "30d", "90d"]


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_schema_knows_good_from_bad(path: Any) -> None:
    """An editor or Helm finds most mistakes, those aside that a schema has no words for.

    Text without quotes is for the exporter alone; keys with nothing behind them Helm drops first.
    """
    name, kind = path.stem.rsplit(".", 1)
    said = path.with_suffix(".txt").read_text("utf-8")
    if name == "words" or re.search(r"\): not (YAML|UTF-8)", said):
        return
    content = _without_nulls(yaml.safe_load(path.read_text("utf-8")))
    fits = jsonschema.Draft202012Validator(SCHEMA).is_valid(content)
    assert fits == (kind == "good") or name in BEYOND_A_SCHEMA


def _without_nulls(tree: object) -> object:
    if isinstance(tree, dict):
        return {key: _without_nulls(value) for key, value in tree.items() if value is not None}
    return [_without_nulls(item) for item in tree] if isinstance(tree, list) else tree


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
