"""What holds of any invitations at any time, read back through the client library."""

import gzip
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text
from prometheus_client.registry import Collector

from exporter.exposition.cache import families_of
from exporter.exposition.family import TARGET_LABELS, Family, FleetView, Group, TargetView
from exporter.exposition.singles import newest
from exporter.exposition.tally import Options, tally
from exporter.model import Account, Answer, Failure, Invitation, Target
from exporter.snapshot import State
from exporter.telemetry import Telemetry
from tests.exposition.scene import EDGES, PAYMENTS, STALE_AFTER, Scene, options
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


def series(families: Iterable[Metric]) -> Series:
    """Give every sample by its name and labels; none of them twice."""
    found: Series = {}
    for family in families:
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found
            found[key] = sample.value
    return found


def of(found: Series, name: str) -> Iterator[tuple[Mapping[str, str], float]]:
    """Give the samples of a name."""
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
    names = ("00d-01d", "01d-07d", "07d-30d", "30d-90d", "90d-inf")
    return names[sum(age >= Fraction(edge.total_seconds()) for edge in EDGES)]


@given(listed, clocks, all_options())
def test_every_invitation_is_in_exactly_its_bucket(
    given_: list[Invitation], now: float, shows: Options
) -> None:
    """Counts are by exact age as of the scrape, and their sum is the list's length."""
    scene = answering(shows, given_, now)
    shown = list(of(series(read_text(scene.text())), "macie_invitations"))
    expected = Counter((one.relationship_status, exact_bucket(one, now)) for one in given_)
    counts = {(by["relationship_status"], by["age_bucket"]): value for by, value in shown}
    assert {key: value for key, value in counts.items() if value} == expected
    assert sum(counts.values()) == len(given_)


@given(listed, clocks, all_options())
def test_oldest_and_newest_are_the_extremes(
    given_: list[Invitation], now: float, shows: Options
) -> None:
    """Each status with a readable time has its oldest and newest; the others have neither."""
    times: dict[str, list[float]] = {}
    for one in given_:
        if one.invited_at is not None:
            times.setdefault(one.relationship_status, []).append(one.invited_at)
    found = series(read_text(answering(shows, given_, now).text()))
    for name, extreme in (("oldest", min), ("newest", max)):
        shown = of(found, f"macie_invitation_{name}_timestamp_seconds")
        expected = {status: extreme(of_status) for status, of_status in times.items()}
        assert {by["relationship_status"]: value for by, value in shown} == expected


@given(listed, clocks)
def test_the_untrusted_are_those_not_trusted(given_: list[Invitation], now: float) -> None:
    """Untrusted invitations are counted by status, and there is no such metric without a list."""
    name = "macie_untrusted_invitations"
    trusting = answering(options(trusted=["999988887777"]), given_, now).text()
    shown = of(series(read_text(trusting)), name)
    expected = Counter(
        one.relationship_status for one in given_ if one.inviter_account_id != "999988887777"
    )
    assert {by["relationship_status"]: value for by, value in shown} == expected
    assert name not in answering(options(), given_, now).text()


@given(listed, st.integers(1, 6))
def test_the_cap_keeps_the_newest(given_: list[Invitation], most: int) -> None:
    """At most so many single series, none older than one left out; the rest is counted."""
    answer = Answer(enabled=True, invitations=tuple(given_))
    kept, dropped = newest([(PAYMENTS, answer), (TARGETS[0], None)], most)
    times = {
        (one.inviter_account_id, one.invitation_id, one.relationship_status): one.invited_at
        for one in given_
        if one.invited_at is not None
    }
    newest_first = sorted(times.values(), reverse=True)
    shown = [invitation.invited_at or 0.0 for _, invitation in kept]
    assert sorted(shown, reverse=True) == newest_first[:most]
    assert dropped == len(newest_first[most:])


@given(listed, clocks, all_options(), ODD_TEXT)
def test_both_strict_parsers_read_the_same(
    given_: list[Invitation], now: float, shows: Options, name: str
) -> None:
    """With the telemetry as its tail both formats are accepted, and say the same of invitations."""
    scene = answering(shows, given_, now)
    scene.accounts = (Account(PAYMENTS.account_id, name),)
    telemetry = Telemetry(CollectorRegistry())
    telemetry.attempt("macie2", "ListInvitations", "eu-west-1", 0.1, name)
    text = scene.cache.text(telemetry.text()).decode()
    openmetrics = scene.cache.text(telemetry.openmetrics()).decode()
    assert openmetrics.endswith("# EOF\n")
    as_text = series(read_text(text))
    as_openmetrics = series(read_openmetrics(openmetrics))  # type: ignore[no-untyped-call]
    assert as_text.keys() == as_openmetrics.keys()
    assert [by["account_name"] for by, _ in of(as_text, "macie_account_info")] == [name]


@given(listed)
def test_label_values_survive(given_: list[Invitation]) -> None:
    """What AWS said is what a reader of the exposition gets, whatever characters are in it."""
    scene = Scene(PAYMENTS, shows=options(most=1000))
    scene.answered(PAYMENTS, *given_)
    shown = of(series(read_text(scene.text())), "macie_invitation_timestamp_seconds")
    assert {
        (by["inviter_account_id"], by["invitation_id"], by["relationship_status"])
        for by, _ in shown
    } == {
        (one.inviter_account_id, one.invitation_id, one.relationship_status)
        for one in given_
        if one.invited_at is not None
    }


@given(st.lists(st.tuples(st.sampled_from(TARGETS), outcomes), max_size=12), clocks, all_options())
def test_it_is_what_the_client_library_writes(
    polls: list[tuple[Target, Answer | Failure]], now: float, shows: Options
) -> None:
    """Line by line it is generate_latest's rendering of the same samples; gzip holds the same."""
    scene = Scene(*TARGETS, shows=shows, accounts=(Account("000000000001", "one"),))
    for target, outcome in polls:
        scene.polled(target, outcome)
    scene.clock.advance(now - scene.clock.now())
    registry = CollectorRegistry()
    registry.register(FromTheTable(scene))
    text = scene.cache.text()
    expected = generate_latest(registry).split(b"\n")
    # Untyped families say so by saying nothing, which both formats understand.
    expected = [line for line in expected if not line.endswith(b" untyped")]
    assert sorted(text.split(b"\n")) == sorted(expected)
    assert gzip.decompress(scene.cache.packed(b"tail")) == text + b"tail"


class FromTheTable(Collector):
    """The samples that the table's rows give, for the client library to render."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def describe(self) -> Iterable[Metric]:
        """Say nothing, so that nothing is collected at registration."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Give every family's samples."""
        for family in families_of(self._scene.shows):
            metric = Metric(family.name, family.help, family.kind.replace("untyped", "unknown"))
            for labels, value in self._samples(family):
                metric.add_sample(family.name, labels, value)
            yield metric

    def _samples(self, family: Family) -> Iterator[tuple[dict[str, str], float]]:
        own = [label for label in family.labels if label not in TARGET_LABELS]
        for view in self._views(family.group):
            known = view.knowledge.target if isinstance(view, TargetView) else None
            names = family.labels if known is None else tuple(own)
            target = (
                {"aws_account_id": known.account_id, "aws_region": known.region} if known else {}
            )
            for values, value in family.samples(view):
                yield dict(zip(names, values, strict=True)) | target, value

    def _views(self, group: Group) -> Iterable[object]:
        scene, now = self._scene, self._scene.clock.now()
        known = sorted(scene.snapshot.all(), key=lambda one: one.target)
        answers = [(one.target, one.current(now, STALE_AFTER)) for one in known]
        singles, dropped = newest(answers, scene.shows.max_invitation_series)
        match group:
            case Group.ACCOUNT:
                return scene.accounts
            case Group.INVITATION:
                return singles
            case Group.FLEET:
                states: Mapping[State, int] = Counter(o.state(now, STALE_AFTER) for o in known)
                off = not scene.shows.max_invitation_series
                return [FleetView(scene.fleet(), states, 0 if off else dropped, folded=0)]
            case _:
                return [
                    TargetView(one, answer, tally(answer.invitations, scene.shows, now))
                    if answer and answer.enabled
                    else TargetView(one, answer, None)
                    for one, (_, answer) in zip(known, answers, strict=True)
                ]
