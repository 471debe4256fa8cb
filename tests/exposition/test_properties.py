"""What holds of any invitations at any time, read back through the client library."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from fractions import Fraction
from itertools import product

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from exporter.exposition.counts import Options
from exporter.exposition.families import TARGET_LABELS
from exporter.model import (
    KNOWN_STATUSES,
    OTHER_STATUS,
    UNKNOWN_STATUS,
    Account,
    Answer,
    Failure,
    Invitation,
    Target,
)
from tests.daemons import values
from tests.exposition.scene import EDGES, PAYMENTS, Scene, invitation, options
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


class Library(CollectorRegistry):
    """A registry of the client library that holds just these families."""

    def __init__(self, families: Iterable[Metric]) -> None:
        super().__init__()
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        """Return them."""
        return self._families


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
    untrusted are counted where it is said who is trusted, and not otherwise.
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
    if shows.trust.tells:
        untrusted.update({(status,): 0 for status in filled})
        strangers = (one for one in given_ if one.inviter_account_id not in shows.trust.accounts)
        untrusted.update((one.relationship_status,) for one in strangers)
    assert values(found, "macie_untrusted_invitations", "relationship_status") == untrusted


@given(
    st.lists(st.tuples(st.sampled_from(TARGETS), outcomes), max_size=12),
    st.integers(1, 6),
)
def test_the_cap_of_untrusted_inviters_keeps_the_newest(
    polls: list[tuple[Target, Answer | Failure]], most: int
) -> None:
    """Each inviter of a target in a status is as old as its oldest; unreadable ones go first."""
    scene = Scene(*TARGETS, shows=options(trusted=["999988887777"], most_inviters=most))
    for target, outcome in polls:
        scene.polled(target, outcome)
    times: dict[tuple[str, ...], list[float]] = {}
    for record in scene.snapshot.all():
        for one in record.answer.invitations if record.answer else ():
            if one.inviter_account_id != "999988887777":
                key = (*record.target, one.relationship_status, one.inviter_account_id)
                times.setdefault(key, []).extend([one.invited_at] if one.invited_at else [])
    oldest = {key: min(readable, default=0.0) for key, readable in times.items()}
    newest_first = sorted(oldest.values(), reverse=True)
    found = series(read_text(scene.text()))
    labels = (*TARGET_LABELS, "relationship_status", "inviter_account_id")
    kept = values(found, "macie_untrusted_inviter_timestamp_seconds", *labels)
    assert kept.items() <= oldest.items()
    assert sorted(kept.values(), reverse=True) == newest_first[:most]
    dropped = values(found, "macie_untrusted_inviter_series_dropped")
    assert dropped == {(): len(newest_first[most:])}


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
    assert generate_latest(Library(read_text(plain))).decode() == plain
    assert openmetrics.endswith("# EOF\n")
    as_text = series(read_text(text))
    as_openmetrics = series(read_openmetrics(openmetrics))  # type: ignore[no-untyped-call]
    assert as_text.keys() == as_openmetrics.keys()
    assert values(as_text, "macie_account_info", "account_name") == {(name,): 1}


def test_a_lone_surrogate_has_a_text() -> None:
    """What UTF-8 cannot write is written as its escape, itself escaped."""
    scene = Scene(PAYMENTS, accounts=(Account(PAYMENTS.account_id, "é\ud800"),))
    assert 'macie_account_info{account_name="é\\\\ud800",' in scene.text()


MOST_UNKNOWN = 32
ALWAYS = (*KNOWN_STATUSES, UNKNOWN_STATUS, OTHER_STATUS)

made_up = st.builds(
    lambda first, many: [f"Made{number}Up" for number in range(first, first + many)],
    st.integers(0, MOST_UNKNOWN),
    st.integers(0, 2 * MOST_UNKNOWN),
)
statuses = st.builds(list.__add__, made_up, st.lists(st.sampled_from(ALWAYS), max_size=5))


@given(st.lists(st.tuples(st.sampled_from(TARGETS), statuses), min_size=1, max_size=6))
def test_statuses_are_bounded_and_no_invitation_is_lost(
    polled: list[tuple[Target, list[str]]],
) -> None:
    """Others make them up: the first few have a name and keep it, the others are `other`."""
    scene = Scene(*TARGETS)
    listed: dict[tuple[str, ...], list[str]] = {}
    named: set[str] = set()
    for target, names in polled:
        scene.answered(target, *(invitation(f"i{at}", name) for at, name in enumerate(names)))
        listed[target] = names
        found = series(read_text(scene.text()))
        counts = values(found, "macie_invitations", *TARGET_LABELS, "relationship_status")
        named |= {status for _, _, status in counts} - {*ALWAYS}
        assert len(named) <= MOST_UNKNOWN
        assert counts == Counter(
            (*target, name if name in named or name in ALWAYS else OTHER_STATUS)
            for target, names in listed.items()
            for name in names
        )
