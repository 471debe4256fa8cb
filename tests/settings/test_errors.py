"""What is said of wrong flags and variables: all at once, each with the name to look for."""

from pathlib import Path

import pytest

from tests.settings.loads import refused


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file to be filled."""
    return tmp_path / "exporter.yaml"


def test_errors_name_the_variable_or_the_flag() -> None:
    """The name stands there as people have to look for it."""
    assert refused(
        "poll.stale-after=1s",
        "poll.concurrency=",
        "log.level=loud",
        "metrics.age-buckets=1d,1w,1m",
        environ={
            "MACIE_EXPORTER_POLL__INTERVAL": "5",
            "MACIE_EXPORTER_AWS__ACCOUNTS": '[{"id": 12345678901}, {"id": "1", "name": 5}]',
            "MACIE_EXPORTER_LOG__LEVEL": "quiet",
            "MACIE_EXPORTER_METRICS__TRUSTED_INVITERS": "12345678901",
        },
    ) == [
        (
            'poll.interval = "5" (from MACIE_EXPORTER_POLL__INTERVAL): a duration needs a '
            "unit, like 5s or 5m"
        ),
        'poll.concurrency = "" (from --poll.concurrency): must be a whole number from 1 to 512',
        (
            'aws.accounts[0].id = "12345678901" (from MACIE_EXPORTER_AWS__ACCOUNTS): an account '
            "id is a string of 12 digits, like 012345678901"
        ),
        (
            'aws.accounts[1].id = "1" (from MACIE_EXPORTER_AWS__ACCOUNTS): an account id is '
            "a string of 12 digits, like 012345678901"
        ),
        (
            'metrics.age_buckets[2] = "1m" (from --metrics.age-buckets): must be whole '
            "hours, one at the least"
        ),
        (
            'metrics.trusted_inviters[0] = "12345678901" (from '
            "MACIE_EXPORTER_METRICS__TRUSTED_INVITERS): an account id is a string of 12 "
            "digits, like 012345678901"
        ),
        'log.level = "loud" (from --log.level): must be debug, info, warning or error',
    ]


def test_unknown_keys_of_flags_and_variables() -> None:
    """A variable's hint says how the key is spelled there: the usual mistake is one underscore."""
    assert refused(
        "poll.intervl=5m",
        "aws.accounts.0.id=1",
        environ={
            "MACIE_EXPORTER_POLL_INTERVAL": "5m",
            "MACIE_EXPORTER_POL__INTERVAL": "5m",
            "MACIE_EXPORTER_POLL__INTERVAL__X": "5m",
            "MACIE_EXPORTER_ROLE_ARN": "arn",
        },
    ) == [
        (
            "poll_interval (from MACIE_EXPORTER_POLL_INTERVAL): unknown key; the nearest known "
            "key is poll.interval (MACIE_EXPORTER_POLL__INTERVAL)"
        ),
        (
            "poll.interval.x (from MACIE_EXPORTER_POLL__INTERVAL__X): unknown key; the nearest "
            "known key is poll.interval (MACIE_EXPORTER_POLL__INTERVAL)"
        ),
        (
            "pol.interval (from MACIE_EXPORTER_POL__INTERVAL): unknown key; the nearest known "
            "key is poll.interval (MACIE_EXPORTER_POLL__INTERVAL)"
        ),
        (
            "role_arn (from MACIE_EXPORTER_ROLE_ARN): unknown key; the nearest known key is "
            "aws.accounts[].role_arn"
        ),
        "poll.intervl (from --poll.intervl): unknown key; the nearest known key is poll.interval",
        (
            "aws.accounts.0.id (from --aws.accounts.0.id): unknown key; the nearest known key "
            "is aws.accounts[].id"
        ),
    ]


def test_what_is_wrong_is_said_even_where_something_comes_before_it(file: Path) -> None:
    """A section that is none, and an unknown key, are not hidden by a flag for the same section."""
    file.write_text("poll: 5m\nlog: {levl: debug}\n")
    assert refused(f"config.file={file}", "poll.interval=5m", "log.level=debug") == [
        (
            f'poll = "5m" (from {file}): must be a mapping with the keys interval, concurrency, '
            "timeout, stale_after"
        ),
        f"log.levl (from {file}): unknown key; the nearest known key is log.level",
    ]
    assert refused("poll.interval=1m", environ={"MACIE_EXPORTER_POLL": "5m"}) == [
        (
            'poll = "5m" (from MACIE_EXPORTER_POLL): must be a mapping with the keys '
            "interval, concurrency, timeout, stale_after"
        )
    ]


def test_the_web_file_where_the_field_would_look_for_it(tmp_path: Path) -> None:
    """A dot for an underscore names the key that was meant, not another file."""
    file = tmp_path / "exporter.yaml"
    file.write_text("web: {config: {file: web.yml}}\npoll: {stale: 1h}\n")
    assert refused(
        f"config.file={file}",
        "web.config=web.yml",
        environ={
            "MACIE_EXPORTER_WEB__CONFIG__FILE": "web.yml",
            "MACIE_EXPORTER_METRICS__PER__INVITATION__MAX__SERIES": "3",
        },
    ) == [
        (
            "metrics.per.invitation.max.series (from "
            "MACIE_EXPORTER_METRICS__PER__INVITATION__MAX__SERIES): unknown key; the nearest known "
            "key is metrics.per_invitation.max_series "
            "(MACIE_EXPORTER_METRICS__PER_INVITATION__MAX_SERIES)"
        ),
        (
            "web.config.file (from MACIE_EXPORTER_WEB__CONFIG__FILE): unknown key; the nearest "
            "known key is web.config_file (MACIE_EXPORTER_WEB__CONFIG_FILE)"
        ),
        "web.config (from --web.config): unknown key; the nearest known key is web.config_file",
        f"poll.stale (from {file}): unknown key; the nearest known key is poll.stale_after",
        f"web.config (from {file}): unknown key; the nearest known key is web.config_file",
    ]


def test_bytes_that_are_no_text() -> None:
    """AWS could not be sent them: they are refused, and not shown, since they may be a secret."""
    environ = {
        "MACIE_EXPORTER_AWS__ORGANIZATION__ROLE_NAME": "reader",
        "MACIE_EXPORTER_AWS__ORGANIZATION__EXTERNAL_ID": "hush\udcff",
    }
    assert refused(environ=environ) == [
        (
            "aws.organization.external_id (from MACIE_EXPORTER_AWS__ORGANIZATION__EXTERNAL_ID): "
            "no text: it holds a byte that is no UTF-8"
        ),
    ]


def test_a_broken_list_is_said_with_its_place() -> None:
    """Its end is missing, or a key stands twice; accounts may hold secrets, and are not shown."""
    accounts = '[{"id": "111122223333", "id": "111122223333", "external_id": "hush"}]'
    assert refused(
        'aws.regions=["eu-west-1"', environ={"MACIE_EXPORTER_AWS__ACCOUNTS": accounts}
    ) == [
        (
            'aws.regions = "[\\"eu-west-1\\"" (from --aws.regions): not a list: while parsing a '
            "flow sequence, did not find expected ',' or ']' (line 2, column 1)"
        ),
        (
            "aws.accounts (from MACIE_EXPORTER_AWS__ACCOUNTS): not a list: the key 'id' stands "
            "twice (line 1, column 25)"
        ),
    ]


def test_each_value_has_its_own_origin(file: Path) -> None:
    """Also where a flag or a variable sets another key of the same section."""
    file.write_text("poll: {timeout: 5}\naws: {organization: {include_ous: [x]}}\n")
    environ = {"MACIE_EXPORTER_AWS__ORGANIZATION__EXTERNAL_ID": "hush"}
    lines = refused(f"config.file={file}", "poll.interval=1m", environ=environ)
    assert [line.partition(":")[0] for line in lines] == [
        f'poll.timeout = "5" (from {file})',
        f"aws.organization.role_name (from {file})",
        f'aws.organization.include_ous[0] = "x" (from {file})',
    ]
