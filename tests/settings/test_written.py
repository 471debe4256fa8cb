"""YAML as configuration reads, writes and shows it."""

import yaml
from hypothesis import given
from hypothesis import strategies as st

from exporter.settings.written import read_yaml, show, write_yaml

SCALARS = st.none() | st.booleans() | st.integers() | st.text() | st.from_regex(r"[-+0-9.:eExo_]+")
TREES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


@given(TREES)
def test_what_is_written_is_read_back(tree: object) -> None:
    """Text that looks like a number, a date or a truth value stays text, whatever it holds."""
    again = read_yaml(write_yaml(tree))
    assert again == tree
    assert _types(again) == _types(tree)


def _types(tree: object) -> object:
    """Give the shape of a tree: 1 and True, and "1" and 1, are not the same."""
    if isinstance(tree, dict):
        return {key: _types(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_types(item) for item in tree]
    return next(kind for kind in (bool, int, str, type(None)) if isinstance(tree, kind))


def test_account_ids_are_quoted_for_any_reader() -> None:
    """Also those that PyYAML itself would take for text, but YAML 1.2 for a number."""
    tree = {"ids": ["012345678901", "089999999999", "1e5", "no", "0x1F", "2026-11-23", "eu-west-1"]}
    assert write_yaml(tree) == (
        "ids:\n"
        "  - '012345678901'\n"
        "  - '089999999999'\n"
        "  - '1e5'\n"
        "  - 'no'\n"
        "  - '0x1F'\n"
        "  - '2026-11-23'\n"
        "  - eu-west-1\n"
    )


@given(TREES)
def test_whatever_is_shown_fits_on_a_line(tree: object) -> None:
    """No value breaks a line, hides another, or fills a screen."""
    shown = show(tree)
    assert shown.isprintable()
    assert 0 < len(shown) <= 80


def test_values_are_shown_as_they_were_written() -> None:
    """Mappings are not shown, since secrets may be in them."""
    assert show(read_yaml("[012, 1.5, a, ~, true, {a: 1}, [x]]")) == (
        '[012, 1.5, "a", null, true, {...}, ["x"]]'
    )


@given(st.text(st.sampled_from("ayn:-#,/ ~'\"[]{}&*!|>%@`.0e+_=<?\t\né\x85\u2028\U0001f600")))
def test_any_reader_of_yaml_reads_the_same(text: str) -> None:
    """Text stays text to PyYAML's own YAML 1.1 too, as a key and as a value."""
    assert yaml.safe_load(write_yaml({text: [text, {"a": text}]})) == {text: [text, {"a": text}]}
