"""What holds of any invitations at any time, read back through the client library."""

import asyncio
import math
from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from fractions import Fraction
from itertools import pairwise, product
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client import Metric, generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from exporter.exposition.age_buckets import AgeBuckets
from exporter.exposition.counts import Options
from exporter.model import KNOWN_STATUSES, Account, Invitation
from tests.daemons import values
from tests.exposition.scene import EDGES, PAYMENTS, Scene
from tests.exposition.strategies import ODD_TEXT, all_options, clocks, invitations

Labels = frozenset[tuple[str, str]]
Series = dict[tuple[str, Labels], float]

listed = st.lists(invitations, max_size=12)

BUCKETS = ("00d-01d", "01d-07d", "07d-30d", "30d-90d", "90d-inf")
FILLED = {"all": KNOWN_STATUSES, "invited": ["Invited"], "none": []}


def series(families: Iterable[Metric]) -> Series:
    """Return every sample by its name and labels; none of them twice."""
    found: Series = {}
    for family in families:
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found
            found[key] = sample.value
    return found


def answering(shows: Options, invitations_: Iterable[Invitation], now: float) -> Scene:
    """Make a scene in which one target has listed these invitations."""
    scene = Scene(PAYMENTS, shows=shows)
    scene.clock.advance(now - scene.clock.now())
    scene.answered(PAYMENTS, *invitations_)
    return scene


def exact_bucket(invitation: Invitation, now: float) -> str:
    """Name an invitation's bucket, reckoned without rounding."""
    if invitation.invited_at is None:
        return "unknown"
    age = Fraction(now) - Fraction(invitation.invited_at)
    return BUCKETS[sum(age >= Fraction(edge.total_seconds()) for edge in EDGES)]


@given(listed, clocks, all_options)
def test_what_is_counted_is_what_is_listed(
    given_: list[Invitation], now: float, shows: Options
) -> None:
    """Each by its exact age as of the scrape, and what is filled is 0 where there are none.

    Each status with a readable time has its oldest and its newest, the others have neither. The
    untrusted are counted where it is said who is trusted, and not otherwise; each of them is as old
    as its oldest, and of too many the newest are kept: those whose time is unreadable go first.
    """
    found = series(read_text(answering(shows, given_, now).text()))

    filled = FILLED[shows.zero_fill]
    expected = Counter(dict.fromkeys(product(filled, BUCKETS), 0))
    expected.update((one.relationship_status, exact_bucket(one, now)) for one in given_)
    assert values(found, "macie_invitations", "relationship_status", "age_bucket") == expected
    times: dict[tuple[str, ...], list[float]] = {}
    for one in given_:
        if one.invited_at is not None:
            times.setdefault((one.relationship_status,), []).append(one.invited_at)
    for name, extreme in (("oldest", min), ("newest", max)):
        extremes = {status: extreme(of_status) for status, of_status in times.items()}
        family = f"macie_invitation_{name}_timestamp_seconds"
        assert values(found, family, "relationship_status") == extremes
    untrusted: Counter[tuple[str, ...]] = Counter()
    sent: dict[tuple[str, ...], list[float]] = {}
    if shows.trust.tells:
        untrusted.update({(status,): 0 for status in filled})
        for one in given_:
            if one.inviter_account_id not in shows.trust.accounts:
                untrusted[(one.relationship_status,)] += 1
                of_inviter = sent.setdefault((one.relationship_status, one.inviter_account_id), [])
                of_inviter += [one.invited_at] if one.invited_at else []
    assert values(found, "macie_untrusted_invitations", "relationship_status") == untrusted
    inviters = {inviter: min(readable, default=0.0) for inviter, readable in sent.items()}
    newest_first = sorted(inviters.values(), reverse=True)
    family, labels = "macie_untrusted_inviter", ("relationship_status", "inviter_account_id")
    kept = values(found, f"{family}_timestamp_seconds", *labels)
    assert kept.items() <= inviters.items()
    assert sorted(kept.values(), reverse=True) == newest_first[: shows.max_inviter_series]
    dropped = len(inviters) - len(kept)
    assert values(found, f"{family}_series_dropped") == {(): dropped}


@given(listed, clocks, all_options, ODD_TEXT)
def test_it_is_written_as_the_client_library_writes_it(
    given_: list[Invitation], now: float, shows: Options, name: str
) -> None:
    """Headers, order of labels, escapes and numbers, to the byte.

    With the tail of the exporter's own both strict parsers accept it, and read the same.
    """
    scene = answering(shows, given_, now)
    scene.accounts = (Account(PAYMENTS.account_id, name),)
    scene.found(PAYMENTS)
    scene.own.attempt("macie2", "ListInvitations", "eu-west-1", 0.1, name)
    plain, text, openmetrics = (
        b"".join(asyncio.run(scene.exposition.text(tail))).decode()
        for tail in (bytes, scene.own.text, scene.own.openmetrics)
    )
    library: Any = SimpleNamespace(collect=lambda: read_text(plain))
    assert generate_latest(library).decode() == plain
    assert openmetrics.endswith("# EOF\n")
    as_text = series(read_text(text))
    as_openmetrics = series(read_openmetrics(openmetrics))  # type: ignore[no-untyped-call]
    assert as_text.keys() == as_openmetrics.keys()
    assert values(as_text, "macie_account_info", "account_name") == {(name,): 1}


def test_a_lone_surrogate_has_a_text() -> None:
    """What UTF-8 cannot write is written as its escape, itself escaped."""
    scene = Scene(PAYMENTS, accounts=(Account(PAYMENTS.account_id, "é\ud800"),))
    assert 'macie_account_info{account_name="é\\\\ud800",' in scene.text()


SOME_EDGES = st.lists(st.integers(1, 20_000), min_size=1, max_size=6, unique=True).map(
    lambda hours: [timedelta(hours=each) for each in sorted(hours)]
)
# From 1970 to 2100, at any fraction of a second.
SOME_TIMES = st.floats(0, 4_102_444_800)


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


@given(SOME_EDGES)
def test_labels_sort_as_text_in_the_order_of_age(edges: list[timedelta]) -> None:
    """For any edges; each label begins where the one before it ends."""
    labels = AgeBuckets(edges).labels
    assert list(labels) == sorted(labels)
    assert len(set(labels)) == len(edges) + 1
    assert all(low.split("-")[1] == high.split("-")[0] for low, high in pairwise(labels))


@given(SOME_EDGES, SOME_TIMES, SOME_TIMES)
@example([timedelta(hours=1)], 0.1, 0.1)
# To subtract the time from its crossing gives a little less than the edge.
@example([timedelta(hours=683)], 2_816_025.025_390_273_4, 3_000_000.0)
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
