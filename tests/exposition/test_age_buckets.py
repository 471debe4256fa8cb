"""Age buckets: exclusive, exact at their edges, and named so that they sort."""

import math
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.exposition.age_buckets import AgeBuckets

EDGES = st.lists(st.integers(1, 20_000), min_size=1, max_size=6, unique=True).map(
    lambda hours: [timedelta(hours=each) for each in sorted(hours)]
)
# From 1970 to 2100, at any fraction of a second.
TIMES = st.floats(0, 4_102_444_800)


@pytest.mark.parametrize(
    ("hours", "labels"),
    [
        ([24, 168, 720, 2160], ("00d-01d", "01d-07d", "07d-30d", "30d-90d", "90d-inf")),
        ([12, 24], ("000h-012h", "012h-024h", "024h-inf")),
        ([1, 1000], ("0000h-0001h", "0001h-1000h", "1000h-inf")),
        ([24, 2400], ("000d-001d", "001d-100d", "100d-inf")),
    ],
)
def test_labels(hours: list[int], labels: tuple[str, ...]) -> None:
    """As documented; in hours where an edge is no whole day; wider where one has more digits."""
    assert AgeBuckets([timedelta(hours=each) for each in hours]).labels == labels


@given(EDGES)
def test_labels_sort_as_text_in_the_order_of_age(edges: list[timedelta]) -> None:
    """For any edges; each label begins where the one before it ends."""
    labels = AgeBuckets(edges).labels
    assert list(labels) == sorted(labels)
    assert len(set(labels)) == len(edges) + 1
    assert all(low.split("-")[1] == high.split("-")[0] for low, high in pairwise(labels))


@given(EDGES, TIMES, TIMES)
@example([timedelta(hours=1)], 0.1, 0.1)
@example([timedelta(days=1)], 1_795_000_000.3, 1_795_000_000.3)
def test_at_its_crossing_the_label_has_changed(
    edges: list[timedelta], invited_at: float, now: float
) -> None:
    """And not at the last moment before it, to the last bit: or a cache would miss the change."""
    buckets = AgeBuckets(edges)
    crossing = buckets.next_crossing(invited_at, now)
    label = buckets.label(invited_at, now)
    if label == buckets.labels[-1]:
        assert crossing == math.inf
        return
    assert crossing > now
    assert buckets.label(invited_at, math.nextafter(crossing, -math.inf)) == label
    assert buckets.label(invited_at, crossing) == buckets.labels[buckets.labels.index(label) + 1]
