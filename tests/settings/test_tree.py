"""The tree itself: frozen, closed, described by a schema, and its single values."""

from datetime import timedelta
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # its stubs are a package of their own
import pytest
import yaml
from pydantic import ValidationError

from exporter.settings import Settings
from exporter.settings.fields import listen_address
from exporter.settings.keys import KEYS
from exporter.settings.tree import Poll
from tests.settings.loads import CORPUS, loaded
from tools.schema import settings_schema

SCHEMA = settings_schema()

BEYOND_A_SCHEMA = {
    "web-path": "taken, though it is a path",
    "accounts-twice": "items differ, their ids do not",
    "age-buckets-hours": "durations are text to a schema,",
    "age-buckets-order": "so it cannot compare them",
    "age-buckets-twice": "(24h is 1d)",
    "bounds-high": "",
    "bounds-low": "",
    "regions": "",
    "regions-allowed": "AWS opens regions after our releases",
    "shard-outside": "two numbers are compared",
    "stale-after": "two durations are",
    "stale-after-default": "",
    "trust-organization": "needs another section",
    "web-port": "",
}
"""Bad files of which at least one error is beyond what JSON schema can say, and why."""


def test_nothing_can_be_changed() -> None:
    """Settings are a value: no branch, no leaf and no list of theirs can be set."""
    settings = loaded('aws.accounts=[{"id": "111122223333"}]', "aws.organization.role-name=reader")
    organization = settings.aws.organization
    assert organization is not None
    for frozen, name in (
        (settings, "poll"),
        (settings.poll, "interval"),
        (settings.aws.accounts[0], "id"),
        (organization, "role_name"),
        (settings.metrics.per_invitation, "enabled"),
    ):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(frozen, name, None)
    lists = [settings.aws.regions, settings.aws.accounts, settings.metrics.age_buckets]
    assert all(isinstance(each, tuple) for each in lists)


def test_settings_alone_read_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only `load` looks outside: a variable that happens to be called LOG changes nothing."""
    monkeypatch.setenv("LOG", '{"level": "debug"}')
    monkeypatch.setenv("SHARD__TOTAL", "2")
    assert Settings() == loaded()


def test_durations_may_be_given_as_such() -> None:
    """Code that makes settings by itself need not write text; the rules are the same."""
    assert Poll(interval=timedelta(minutes=1)).stale_after == timedelta(minutes=3)
    with pytest.raises(ValidationError, match="must be from 10s to 24h"):
        Poll(interval=timedelta(seconds=1))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (":10058", ("", 10058)),
        ("127.0.0.1:0", ("127.0.0.1", 0)),
        ("localhost:65535", ("localhost", 65535)),
        ("[::1]:80", ("::1", 80)),
        ("[::]:80", ("::", 80)),
        ("[fe80::1%eth0]:80", ("fe80::1%eth0", 80)),
    ],
)
def test_listening_addresses(text: str, expected: tuple[str, int]) -> None:
    """An empty host means every interface; IPv6 stands in brackets."""
    assert listen_address(text) == expected


NO_ADDRESSES = """
10058 localhost ::1:80 [::1] [::1 [::1:80 [localhost]:80 []:80 [:::]:80 [1:2]:80 [12345::]:80
[fe80::1%]:80 [::1%a%b]:80 :65536 :-1 :٨٠ :080808 http://localhost:80
"""


@pytest.mark.parametrize("text", ["", "a b:80", ":80\n", *NO_ADDRESSES.split()])
def test_no_listening_addresses(text: str) -> None:
    """Everything else is refused, with examples."""
    with pytest.raises(ValueError, match=r'not a listening address; write ":10058"'):
        listen_address(text)


@pytest.mark.parametrize(
    ("written", "level"),
    [("warn", "warning"), ("WARN", "warning"), ("Warning", "warning"), ("INFO", "info")],
)
def test_levels_as_others_spell_them(written: str, level: str) -> None:
    """Prometheus says warn, Python WARNING: both are meant in good faith."""
    assert loaded(f"log.level={written}").log.level == level


def test_the_schema_is_valid_and_describes_every_key() -> None:
    """It is a good JSON schema, closed, with a description and a type at every key."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    for key in KEYS.values():
        described = _at(key.path)
        assert described.get("description") or "$ref" in described, key.dotted
    for definition in (SCHEMA, *SCHEMA["$defs"].values()):
        assert definition["additionalProperties"] is False
        assert definition["description"]
    assert _at(("poll", "interval")) == {
        "default": "5m",
        "description": "How often each target is polled, 10s to 24h.",
        "minLength": 2,
        "pattern": "^([0-9]+y)?([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$",
        "title": "Interval",
        "type": "string",
    }
    assert _at(("aws", "accounts", "id"))["pattern"] == "^[0-9]{12}$"
    assert _at(("metrics", "age_buckets"))["default"] == ["1d", "7d", "30d", "90d"]


def _at(path: tuple[str, ...]) -> dict[str, Any]:
    """Return the schema of a key as its section has it."""
    section: dict[str, Any] = SCHEMA
    for step in path[:-1]:
        section = _resolved(section["properties"][step])
    found: dict[str, Any] = section["properties"][path[-1]]
    return found


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference, through lists and options."""
    if "$ref" in schema:
        found: dict[str, Any] = SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]]
        return found
    return _resolved(schema["items"] if "items" in schema else schema["anyOf"][0])


@pytest.mark.parametrize(
    "name",
    sorted({path.stem.removesuffix(".good") for path in CORPUS.glob("*.good.yaml")} - {"words"}),
)
def test_good_files_fit_the_schema(name: str) -> None:
    """Keys with nothing behind them aside, which Helm drops first, and text without quotes."""
    content = yaml.safe_load((CORPUS / f"{name}.good.yaml").read_text("utf-8"))
    jsonschema.validate(_without_nulls(content), SCHEMA)


def _without_nulls(tree: object) -> object:
    if isinstance(tree, dict):
        return {key: _without_nulls(value) for key, value in tree.items() if value is not None}
    return [_without_nulls(item) for item in tree] if isinstance(tree, list) else tree


def _bad_files() -> dict[str, object]:
    """Return the bad files that are YAML, read."""
    read: dict[str, object] = {}
    for path in sorted(CORPUS.glob("*.bad.yaml")):
        if "): not YAML: " not in path.with_suffix(".txt").read_text("utf-8"):
            read[path.stem.removesuffix(".bad")] = yaml.safe_load(path.read_text("utf-8"))
    return read


@pytest.mark.parametrize(("name", "content"), _bad_files().items(), ids=_bad_files())
def test_bad_files_do_not_fit_the_schema(name: str, content: object) -> None:
    """An editor or Helm finds most mistakes, those aside that a schema has no words for."""
    fits = jsonschema.Draft202012Validator(SCHEMA).is_valid(content)
    assert not fits or name in BEYOND_A_SCHEMA
