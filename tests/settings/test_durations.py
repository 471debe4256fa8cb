"""Durations as Prometheus writes them."""

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.settings import durations


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1h30m", 5400),
        ("1y2w3d4h5m6s7ms", 31_536_000 + 1_209_600 + 259_200 + 14_400 + 300 + 6 + 0.007),
        (" 5m\n", 300),
        ("0s", 0),
        ("007d", 604_800),
        ("36500d", 3_153_600_000),
    ],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    """Each unit at most once, from large to small; spaces around do not matter."""
    assert durations.parse(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["5", "5 m", "-5m", "1.5h", "5min", "5M", "\u0665m", "5m\n5s"])
def test_nothing_else_is_read(text: str) -> None:
    """Neither fractions, signs, other units, nor other scripts' digits."""
    with pytest.raises(ValueError, match="duration"):
        durations.parse(text)


@pytest.mark.parametrize("text", ["36500d1ms", "9" * 30 + "w", "9" * 5000 + "ms"])
def test_silly_lengths_are_refused(text: str) -> None:
    """Beyond a hundred years, beyond what a timedelta holds, beyond what Python makes a number."""
    with pytest.raises(ValueError, match=r"^longer than a hundred years$"):
        durations.parse(text)


# "0", not another digit: put together, the parts must stay under a hundred years.
PARTS = ["1y", "2w", "3d", "4h", "05m", "6s", "7ms", "0", "m", " ", "-"]


@given(st.lists(st.sampled_from(PARTS), max_size=5).map("".join))
def test_the_pattern_is_the_grammar(text: str) -> None:
    """What a JSON schema lets through by the pattern is what is read, empty text aside."""
    if text.strip() and re.match(durations.PATTERN, text.strip()):
        assert durations.parse(text) >= timedelta(0)
    else:
        with pytest.raises(ValueError, match="duration"):
            durations.parse(text)


@given(st.timedeltas(timedelta(0), durations.LONGEST))
def test_what_is_rendered_is_read_back(duration: timedelta) -> None:
    """In whole milliseconds; weeks and years are not written: 7d and 90d compare better."""
    whole = duration - duration % timedelta(milliseconds=1)
    assert durations.parse(durations.render(whole)) == whole
    assert not re.search("[wy]", durations.render(whole))
