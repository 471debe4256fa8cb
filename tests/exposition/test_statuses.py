"""Statuses that others make up: few have a name, the rest is `other`, and nothing is lost."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families as read_text

from exporter.model import KNOWN_STATUSES, OTHER_STATUS, UNKNOWN_STATUS, Target
from tests.exposition.scene import PAYMENTS, Scene, invitation, options
from tests.exposition.strategies import TARGETS

MOST_UNKNOWN = 32
ALWAYS = (*KNOWN_STATUSES, UNKNOWN_STATUS, OTHER_STATUS)

made_up = st.builds(
    lambda first, many: [f"Made{number}Up" for number in range(first, first + many)],
    st.integers(0, MOST_UNKNOWN),
    st.integers(0, 2 * MOST_UNKNOWN),
)
listings = st.builds(list.__add__, made_up, st.lists(st.sampled_from(ALWAYS), max_size=5))
polls = st.lists(st.tuples(st.sampled_from(TARGETS), listings), min_size=1, max_size=6)


def shown(scene: Scene) -> dict[tuple[str, str], Counter[str]]:
    """Return how many invitations each target has by the status that is shown."""
    counts: dict[tuple[str, str], Counter[str]] = {}
    for family in read_text(scene.text()):
        for sample in family.samples:
            if sample.name == "macie_invitations" and sample.value:
                target = (sample.labels["aws_account_id"], sample.labels["aws_region"])
                by_status = counts.setdefault(target, Counter())
                by_status[sample.labels["relationship_status"]] += int(sample.value)
    return counts


@given(polls)
def test_statuses_are_bounded_and_no_invitation_is_lost(
    polled: list[tuple[Target, list[str]]],
) -> None:
    """Whatever is listed, in whatever order: a status that has a name keeps it; sums are right."""
    scene = Scene(*TARGETS)
    listed: dict[tuple[str, str], list[str]] = {}
    named: set[str] = set()
    for target, names in polled:
        scene.answered(target, *(invitation(f"i{at}", name) for at, name in enumerate(names)))
        listed[target] = names
        found = shown(scene)
        assert {at: counts.total() for at, counts in found.items()} == {
            at: len(of) for at, of in listed.items() if of
        }
        names_shown = {status for counts in found.values() for status in counts}
        named |= names_shown - set(ALWAYS)
        assert len(named) <= MOST_UNKNOWN
        for at, counts in found.items():
            expected = Counter(
                name if name in named or name in ALWAYS else OTHER_STATUS for name in listed[at]
            )
            assert counts == expected


def test_every_family_folds_alike() -> None:
    """Counts, times, the untrusted and single invitations: all have the same statuses."""
    names = [f"Status{number:02d}" for number in range(MOST_UNKNOWN + 1)]
    scene = Scene(PAYMENTS, shows=options(trusted=["1"], most=1000))
    scene.answered(PAYMENTS, *(invitation(name, name) for name in names))
    families = [
        {sample.labels["relationship_status"] for sample in family.samples}
        for family in read_text(scene.text())
        if family.samples and "relationship_status" in family.samples[0].labels
    ]
    assert families == [{*names[:-1], OTHER_STATUS}] * 6
