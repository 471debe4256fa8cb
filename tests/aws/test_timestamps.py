"""Timestamps: botocore's results for the form that Macie and STS send, and never an error."""

import json
import math
from datetime import UTC, datetime, timedelta, timezone

import pytest
from botocore.utils import parse_timestamp
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.aws.answers import unix_seconds

OFFSETS = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(
    lambda minutes: timezone(timedelta(minutes=minutes))
)
MOMENTS = st.datetimes(timezones=st.one_of(st.just(UTC), OFFSETS))


def botocores(value: object) -> float:
    """Return botocore's result in Unix seconds; a time without a zone is UTC, as AWS means it."""
    moment = parse_timestamp(value)  # type: ignore[arg-type]  # it also takes numbers
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


@given(
    MOMENTS,
    st.sampled_from(["seconds", "milliseconds", "microseconds"]),
    st.sampled_from(["Z", "offset", "none"]),
)
@example(datetime.min.replace(tzinfo=UTC), "milliseconds", "Z")
@example(datetime.max.replace(tzinfo=UTC), "milliseconds", "Z")
@example(datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))), "seconds", "offset")
@example(datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-12))), "seconds", "offset")
def test_iso_8601_is_read_as_botocore_reads_it(moment: datetime, precision: str, zone: str) -> None:
    """With any fraction and any zone, from year 1 to year 9999."""
    text = moment.replace(tzinfo=None).isoformat(timespec=precision)
    if zone == "Z":
        text += "Z"
    elif zone == "offset":
        text = moment.isoformat(timespec=precision)
    assert unix_seconds(text) == botocores(text)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
)


@given(JSON)
@example(10**400)
@example("9" * 5000)
@example("2024-01-01T99:99:99Z")
@example("2024-01-01T10:00:00" + "0" * 100_000)
def test_no_json_value_is_an_error(value: object) -> None:
    """Whatever AWS sends is a finite number of seconds or nothing."""
    read = unix_seconds(value)
    assert read is None or math.isfinite(read)


NONE = (
    *(json.loads(text) for text in ("NaN", "Infinity", "-Infinity", "null", "true", "[]", "{}")),
    *(" nan", "infinity", "", "1e999", "253402300800", "-62135596801"),
    *("20240101T000000.000Z", "1612010100000"),
    *("2024-13-01T00:00:00Z", "2023-02-29T00:00:00Z", "0000-01-01T00:00:00Z", "2024-01-01T0"),
    *(0, 1714979289.5, "1714979289", "Mon, 06 May 2024 07:08:09 GMT"),
    *("2024-01-01T00:00:60Z", "10000-01-01T00:00:00Z", "Mon, 01 Foo 2024 00:00:00 GMT"),
    *("Mon, 31 Feb 2024 00:00:00 GMT", "Monday", "now", "10:30", "2024-01-01T00:00:00 EST"),
)


def test_what_is_no_timestamp_is_none() -> None:
    """Numbers without an end, years outside of 1 to 9999, weeks, and words that mean today."""
    assert [value for value in NONE if unix_seconds(value) is not None] == []


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2024-05-06T07:08:09.123Z", 1714979289.123),
        ("2024-05-06T07:08:09+02:00", 1714972089.0),
        ("2024-05-06T07:08:09", 1714979289.0),
        ("2024-05-06T07:08:09.123456789Z", 1714979289.123456),
        ("0001-01-01T00:00:00Z", -62135596800.0),
        ("9999-12-31T23:59:59Z", 253402300799.0),
    ],
)
def test_known_timestamps(text: object, seconds: float) -> None:
    """A reader can check these by eye."""
    assert unix_seconds(text) == seconds
