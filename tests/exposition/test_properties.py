"""What holds of any invitations at any time, read back through the client library."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from itertools import product

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from exporter.exposition.counts import Options
from exporter.model import KNOWN_STATUSES, Account, Answer, Failure, Invitation, Target
from tests.exposition.scene import EDGES, PAYMENTS, Scene, options
from tests.exposition.strategies import (
    ODD_TEXT,
    TARGETS,
    all_options,
    clocks,
    invitations,
    outcomes,
)

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


def of(found: Series, name: str) -> Iterator[tuple[Mapping[str, str], float]]:
    """Return the samples of a name."""
    return ((dict(labels), value) for (n, labels), value in found.items() if n == name)


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


@given(listed, clocks, all_options())
def test_what_is_counted_is_what_is_listed(
    given_: list[Invitation], now: float, shows: Options
) -> None:
    """Each by its exact age as of the scrape, and what is filled is 0 where there are none.

    Each status with a readable time has its oldest and its newest, the others have neither. The
    untrusted are counted where it is said who is trusted, and not otherwise.
    """
    found = series(read_text(answering(shows, given_, now).text()))

    def shown(name: str, *labels: str) -> dict[tuple[str, ...], float]:
        return {tuple(by[each] for each in labels): value for by, value in of(found, name)}

    filled = FILLED[shows.zero_fill]
    expected = Counter(dict.fromkeys(product(filled, BUCKETS), 0))
    expected.update((one.relationship_status, exact_bucket(one, now)) for one in given_)
    assert shown("macie_invitations", "relationship_status", "age_bucket") == expected
    times: dict[tuple[str, ...], list[float]] = {}
    for one in given_:
        if one.invited_at is not None:
            times.setdefault((one.relationship_status,), []).append(one.invited_at)
    for name, extreme in (("oldest", min), ("newest", max)):
        extremes = {status: extreme(of_status) for status, of_status in times.items()}
        family = f"macie_invitation_{name}_timestamp_seconds"
        assert shown(family, "relationship_status") == extremes
    untrusted: Counter[tuple[str, ...]] = Counter()
    if shows.trust.tells:
        untrusted.update({(status,): 0 for status in filled})
        strangers = (one for one in given_ if one.inviter_account_id not in shows.trust.accounts)
        untrusted.update((one.relationship_status,) for one in strangers)
    assert shown("macie_untrusted_invitations", "relationship_status") == untrusted


@given(
    st.lists(st.tuples(st.sampled_from(TARGETS), outcomes), max_size=12),
    st.integers(1, 6),
    st.sampled_from(((), ("999988887777",))),
)
def test_the_cap_of_untrusted_inviters_keeps_the_newest(
    polls: list[tuple[Target, Answer | Failure]], most: int, trusted: tuple[str, ...]
) -> None:
    """Each inviter of a target in a status is as old as its oldest; unreadable ones go first."""
    scene = Scene(*TARGETS, shows=options(trusted=trusted, most_inviters=most))
    for target, outcome in polls:
        scene.polled(target, outcome)
    times: dict[tuple[object, ...], list[float]] = {}
    for record in scene.snapshot.all():
        for one in record.answer.invitations if record.answer else ():
            if one.inviter_account_id not in trusted:
                key = (*record.target, one.relationship_status, one.inviter_account_id)
                times.setdefault(key, []).extend([one.invited_at] if one.invited_at else [])
    oldest = {key: min(readable, default=0.0) for key, readable in times.items()}
    newest_first = sorted(oldest.values(), reverse=True)
    found = series(read_text(scene.text()))
    shown = list(of(found, "macie_untrusted_inviter_timestamp_seconds"))
    if not trusted:
        assert shown == []
        return
    assert sorted((value for _, value in shown), reverse=True) == newest_first[:most]
    assert all(oldest[tuple(labels.values())] == value for labels, value in map(_ordered, shown))
    dropped = [value for _, value in of(found, "macie_untrusted_inviter_series_dropped")]
    assert dropped == [len(newest_first[most:])]


def _ordered(sample: tuple[Mapping[str, str], float]) -> tuple[dict[str, str], float]:
    labels, value = sample
    names = ("aws_account_id", "aws_region", "relationship_status", "inviter_account_id")
    return {name: labels[name] for name in names}, value


@given(listed, clocks, all_options(), ODD_TEXT)
def test_both_strict_parsers_read_the_same(
    given_: list[Invitation], now: float, shows: Options, name: str
) -> None:
    """With the tail both formats are accepted, and say the same of invitations."""
    scene = answering(shows, given_, now)
    scene.accounts = (Account(PAYMENTS.account_id, name),)
    scene.found(PAYMENTS)
    scene.own.attempt("macie2", "ListInvitations", "eu-west-1", 0.1, name)
    text, openmetrics = (
        b"".join(asyncio.run(scene.exposition.text(tail))).decode()
        for tail in (scene.own.text, scene.own.openmetrics)
    )
    assert openmetrics.endswith("# EOF\n")
    as_text = series(read_text(text))
    as_openmetrics = series(read_openmetrics(openmetrics))  # type: ignore[no-untyped-call]
    assert as_text.keys() == as_openmetrics.keys()
    assert [by["account_name"] for by, _ in of(as_text, "macie_account_info")] == [name]
