"""Lines are written as the client library writes them, and stay each target's own."""

import string

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.registry import Collector

from exporter.exposition.columns import (
    PIECE,
    Capped,
    Column,
    column_of,
    header,
    labels_of,
    piece_of,
)
from exporter.exposition.families import Family, Group
from exporter.model import Target
from tests.exposition.strategies import ODD_TEXT

FAMILY = Family(
    "up", Group.ANSWER, ("a", "aws_account_id", "aws_region", "b"), lambda _: (), "It is up."
)


names = ODD_TEXT | st.text(string.ascii_letters, max_size=2)
# Without minus zero, which no value is.
values = st.floats(allow_nan=False).map(lambda value: value + 0.0)
offered = st.dictionaries(st.tuples(names, names), values, max_size=3)


def target(number: int) -> str:
    """Return the labels of a target by its number."""
    return labels_of(Target(f"{number:012d}", "eu-west-1"))


def text_of(column: Column) -> bytes:
    """Join a column's pieces."""
    return b"".join(piece.text for piece in column.shown())


class Given(Collector):
    """One family, for the client library to render."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> list[Metric]:
        """Return it."""
        return [self._metric]


@given(offered)
def test_lines_are_the_librarys(samples: dict[tuple[str, str], float]) -> None:
    """Header, labels, escapes and numbers are to the byte what the client library writes."""
    metric = Metric("up", "It is up.", "gauge")
    for (a, b), value in samples.items():
        labels = {"a": a, "aws_account_id": "000000000001", "aws_region": "eu-west-1", "b": b}
        metric.add_sample("up", labels, value)
    registry = CollectorRegistry()
    registry.register(Given(metric))
    column = column_of(FAMILY, float("inf"))
    column.grow()
    column.put(0, target(1), list(samples.items()))
    assert header(FAMILY).text + text_of(column) == generate_latest(registry)


def test_a_lone_surrogate_has_a_text() -> None:
    """What UTF-8 cannot write is written as its escape, itself escaped."""
    family = Family("up", Group.ACCOUNT, ("a",), lambda _: (), "It is up.")
    assert piece_of(family, [(("é\ud800",), 1)]).text.decode() == 'up{a="é\\\\ud800"} 1.0\n'


puts = st.lists(st.tuples(st.integers(0, 2 * PIECE + 9), offered), max_size=30)


@given(puts, st.sampled_from((float("inf"), 1, 3, 20)))
def test_whatever_is_put_it_is_what_the_last_puts_say(
    puts: list[tuple[int, dict[tuple[str, str], float]]], most: float
) -> None:
    """In whichever order, longer or shorter: each target's lines are its last, up to the cap."""
    column, everything = column_of(FAMILY, most), column_of(FAMILY, float("inf"))
    for each in (column, everything):
        for _ in range(2 * PIECE + 10):
            each.grow()
    for number, samples in puts:
        column.put(number, target(number), samples.items())
    for number, samples in dict(puts).items():
        everything.put(number, target(number), samples.items())
    lines, shown = (text_of(each).split(b"\n")[:-1] for each in (everything, column))
    if most == float("inf"):
        assert shown == lines
        return
    greatest = sorted((float(line.rpartition(b" ")[2]), line) for line in lines)[-int(most) :]
    assert sorted(shown) == sorted(line for _, line in greatest)
    assert isinstance(column, Capped)
    assert column.dropped == len(lines) - len(shown)
