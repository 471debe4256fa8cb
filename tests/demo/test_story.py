"""The demo's story: what a visitor finds at first, and how it goes on."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from exporter.demo.story import (
    ACCOUNTS,
    ADMINISTRATOR,
    BUSY,
    GOVERNED,
    HUB,
    PASSING_STRANGER,
    REGIONS,
    STRANGER,
    TRUSTED,
    Invitation,
    Story,
)
from exporter.model import KNOWN_STATUSES

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
EDGES = [timedelta(days=days) for days in (0, 1, 7, 30, 90, 100_000)]


@pytest.fixture
def story() -> Story:
    """The story as it is when the demo starts."""
    return Story(NOW)


def everything(story: Story) -> list[Invitation]:
    """Return all invitations."""
    return [one for known in story.invitations.values() for one in known.values()]


def go_on(story: Story, steps: int) -> Counter[str]:
    """Let a story go on; returns how often each inviter was seen between the steps."""
    seen: Counter[str] = Counter()
    for number in range(steps):
        story.step(NOW + timedelta(seconds=5 * number))
        seen.update({one.account_id for one in everything(story)})
    return seen


def test_every_status_and_every_age_is_there(story: Story) -> None:
    """Each status that AWS has, and an age within each default bucket, can be seen."""
    found = everything(story)
    ages = [NOW - one.invited_at for one in found]
    assert {one.relationship_status for one in found} == set(KNOWN_STATUSES)
    assert all(any(low <= age < high for age in ages) for low, high in pairwise(EDGES))


def test_there_are_strangers_and_more_than_one_page(story: Story) -> None:
    """Nobody of the organization sent those invitations; and a page of Macie holds 25."""
    members = {account.id for account in ACCOUNTS}
    assert {one.account_id for one in everything(story)} - members == {STRANGER}
    assert members > set(TRUSTED)
    assert len(story.invitations[BUSY]) > 25


def test_nobody_invites_itself(story: Story) -> None:
    """Nor does the administrator have one."""
    go_on(story, 500)
    assert not [
        target
        for target, known in story.invitations.items()
        if target[0] in {one.account_id for one in known.values()}
    ]
    assert {story.administrator((ADMINISTRATOR, region)) for region in REGIONS} == {None}


def test_one_account_is_governed_by_organizations(story: Story) -> None:
    """It has an administrator in fact, and no invitation that would tell, whatever happens."""
    go_on(story, 200)
    for region in REGIONS:
        assert story.administrator((GOVERNED, region)) in TRUSTED
        assert not story.invitations[GOVERNED, region]


def test_the_same_seed_tells_the_same_story() -> None:
    """Start and course follow from the seed alone."""
    first, second, other = (Story(NOW, seed) for seed in (1, 1, 2))
    for each in (first, second, other):
        go_on(each, 50)
    assert everything(first) == everything(second) != everything(other)


def test_it_goes_on_without_growing(story: Story) -> None:
    """After hours things still happen, and what visitors should find is still there."""
    start = len(everything(story))
    seen = go_on(story, 3000)
    assert 0 < seen[PASSING_STRANGER] < 3000
    assert len(everything(story)) < start + 200
    test_every_status_and_every_age_is_there(story)
    before = everything(story)
    go_on(story, 20)
    assert everything(story) != before


def test_no_account_has_two_administrators(story: Story) -> None:
    """Accepting an invitation ends the relationship that was there before."""
    go_on(story, 500)
    enabled = {
        target: [one for one in known.values() if one.relationship_status == "Enabled"]
        for target, known in story.invitations.items()
        if target[0] not in {HUB, GOVERNED, ADMINISTRATOR}
    }
    assert {len(each) for each in enabled.values()} == {1}
