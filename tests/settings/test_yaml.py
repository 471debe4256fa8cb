"""YAML as configuration reads and writes it, and values as messages show them."""

import yaml
from hypothesis import given
from hypothesis import strategies as st

from exporter.settings.errors import show
from exporter.settings.yaml import read_yaml, write_yaml

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
