"""Lines are written as the client library writes them, and stay each target's own."""

import string

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.registry import Collector

from exporter.exposition.columns import PIECE, Column, column_of, header, labels_of, piece_of
from exporter.exposition.families import Family, Group
from exporter.exposition.samples import Sample
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
    return b"".join(piece.text for piece in column.pieces)


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


def shown(offers: dict[int, list[Sample]], most: float) -> bytes:
    """Render what targets offer from nothing: the greatest values, in the order of targets."""
    ranked = sorted(
        (value, target(number), own) for number, samples in offers.items() for own, value in samples
    )
    kept = {entry[1:] for entry in ranked[-int(min(most, len(ranked))) :]}
    column = column_of(FAMILY, float("inf"))
    for number in range(max(offers, default=-1) + 1):
        column.grow()
        of = offers.get(number, [])
        column.put(number, target(number), [s for s in of if (target(number), s[0]) in kept])
    return text_of(column)


@given(puts, st.sampled_from((float("inf"), 1, 3, 20)))
def test_whatever_is_put_it_is_what_the_last_puts_say(
    puts: list[tuple[int, dict[tuple[str, str], float]]], most: float
) -> None:
    """In whichever order, longer or shorter: each target's lines are its last, up to the cap."""
    column = column_of(FAMILY, most)
    for _ in range(2 * PIECE + 10):
        column.grow()
    offers: dict[int, list[Sample]] = {}
    for number, samples in puts:
        offers[number] = sorted(samples.items())
        column.put(number, target(number), offers[number])
    assert text_of(column) == shown(offers, most)
