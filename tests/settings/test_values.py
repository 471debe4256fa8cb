"""Single values: durations, addresses, and text as YAML and messages show it."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from exporter.settings import durations
from exporter.settings.errors import show
from exporter.settings.fields import listen_address
from exporter.settings.yaml import read_yaml, write_yaml

ALL_UNITS = 31_536_000 + 1_209_600 + 259_200 + 14_400 + 300 + 6 + 0.007


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # Each unit at most once, from large to small; spaces around do not matter.
        ("1h30m", timedelta(minutes=90)),
        ("1y2w3d4h5m6s7ms", timedelta(seconds=ALL_UNITS)),
        (" 5m\n", timedelta(minutes=5)),
        ("0s", timedelta(0)),
        ("007d", timedelta(days=7)),
        ("36500d", timedelta(days=36_500)),
        # An empty host means every interface; IPv6 stands in brackets.
        (":10058", ("", 10058)),
        ("127.0.0.1:0", ("127.0.0.1", 0)),
        ("localhost:65535", ("localhost", 65535)),
        ("[::1]:80", ("::1", 80)),
        ("[fe80::1%eth0]:80", ("fe80::1%eth0", 80)),
    ],
)
def test_durations_and_addresses(text: str, value: object) -> None:
    """As Prometheus has both."""
    read = durations.parse if isinstance(value, timedelta) else listen_address
    assert read(text) == value


NO_DURATIONS = ("5", "5 m", "-5m", "1.5h", "5min", "5M", "\u0665m", "5m\n5s")
# Also beyond what a timedelta holds, and beyond what Python makes a number.
LONG = ("36500d1ms", "9" * 30 + "w", "9" * 5000 + "ms")
NO_ADDRESSES = """
10058 localhost ::1:80 [::1] [::1 [::1:80 [localhost]:80 []:80 [:::]:80 [1:2]:80 [12345::]:80
[fe80::1%]:80 [::1%a%b]:80 :65536 :-1 :٨٠ :080808 http://localhost:80
"""


@pytest.mark.parametrize(
    ("read", "text", "said"),
    [
        *((durations.parse, text, "duration") for text in NO_DURATIONS),
        *((durations.parse, text, "^longer than a hundred years$") for text in LONG),
        *(
            (listen_address, text, 'not a listening address; write ":10058"')
            for text in ("", "a b:80", ":80\n", *NO_ADDRESSES.split())
        ),
    ],
)
def test_nothing_else_is_read(read: Callable[[str], object], text: str, said: str) -> None:
    """Neither fractions, signs, other units, other scripts' digits, nor more than 100 years."""
    with pytest.raises(ValueError, match=said):
        read(text)


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


TEXTS = st.text() | st.from_regex(r"[-+0-9.:eExo_]+")
ODD = st.text(st.sampled_from("ayn:-#,/ ~'\"[]{}&*!|>%@`.0e+_=<?\t\né\x85\u2028\U0001f600"))
TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=40), inner, max_size=5),
    max_leaves=20,
)


@given(TREES)
def test_what_is_written_is_read_back(tree: object) -> None:
    """Text stays the text it is, whatever it looks like; numbers and truth values become text."""
    assert read_yaml(write_yaml(tree)) == _as_text(tree)


def _as_text(tree: object) -> object:
    match tree:
        case dict():
            return {key: _as_text(value) for key, value in tree.items()}
        case list():
            return [_as_text(item) for item in tree]
        case bool() | int():
            return str(tree).lower()
        case _:
            return tree


@given(ODD)
def test_any_reader_of_yaml_reads_the_same(text: str) -> None:
    """Text stays text to PyYAML's own YAML 1.1 too, as a key and as a value."""
    assert yaml.safe_load(write_yaml({text: [text, {"a": text}]})) == {text: [text, {"a": text}]}


def test_what_other_readers_take_for_numbers_is_quoted() -> None:
    """Also what PyYAML itself would take for text, but YAML 1.2 for a number."""
    assert write_yaml(["089999999999", "1e5", "no", "eu-west-1", "1h30m"]) == (
        "- '089999999999'\n- '1e5'\n- 'no'\n- eu-west-1\n- 1h30m\n"
    )


@given(TREES)
def test_whatever_is_shown_fits_on_a_line(tree: object) -> None:
    """No value breaks a line, hides another, or fills a screen."""
    shown = show(tree)
    assert shown.isprintable()
    assert 0 < len(shown) <= 80
