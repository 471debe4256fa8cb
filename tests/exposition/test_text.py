"""Single lines are written as the client library writes them."""

from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client.utils import floatToGoString

from exporter.exposition.text import header, label_value, line, number


@given(st.floats() | st.integers(-(2**60), 2**60))
@example(0)
@example(1e16)
@example(1_700_000_000.123)
@example(100_000_000.0)
def test_numbers_are_the_librarys(value: float) -> None:
    """Every number is written to the byte as the client library does."""
    assert number(value) == floatToGoString(value)  # type: ignore[no-untyped-call]


def test_a_label_is_escaped() -> None:
    """Backslash, newline and quote are escaped, and nothing else."""
    assert label_value('a\\b\n"c" é\t{},') == r"a\\b\n\"c\" é" + "\t{},"


def test_a_lone_surrogate_has_a_text() -> None:
    """What UTF-8 cannot write is written as its escape, itself escaped."""
    assert label_value("é\ud800") == r"é\\ud800"


def test_a_line_without_labels_has_no_braces() -> None:
    """A sample without labels is its name and value."""
    assert line("up", (), 1) == "up 1.0\n"


def test_a_line_with_labels() -> None:
    """Labels come in the order given, quoted."""
    assert line("up", (("a", "1"), ("b", "")), 1.5) == 'up{a="1",b=""} 1.5\n'


def test_a_header_is_escaped() -> None:
    """HELP ends at the end of its line."""
    assert header("up", "gauge", "a\\b\nc") == b"# HELP up a\\\\b\\nc\n# TYPE up gauge\n"
