"""The demo's story: what a visitor finds at first and hours later, and how it goes on."""

from collections import Counter
from itertools import pairwise

from exporter.demo.story import (
    ACCOUNTS,
    ADMINISTRATOR,
    BUSY,
    GOVERNED,
    HUB,
    PASSING_STRANGER,
    STRANGER,
    TRUSTED,
    Story,
)
from exporter.model import KNOWN_STATUSES, Invitation

NOW = 1_770_000_000.0
EDGES = [86_400 * days for days in (0, 1, 7, 30, 90, 100_000)]
MEMBERS = {account.id for account in ACCOUNTS}


def everything(story: Story) -> list[Invitation]:
    """Return all invitations."""
    return [one for known in story.invitations.values() for one in known.values()]


def go_on(story: Story, steps: int) -> Counter[str]:
    """Let a story go on; returns how often each inviter was seen between the steps."""
    seen: Counter[str] = Counter()
    for number in range(steps):
        story.step(NOW + 5 * number)
        seen.update({one.inviter_account_id for one in everything(story)})
    return seen


def test_what_a_visitor_finds() -> None:
    """Every status, every age, strangers, more than one of Macie's pages; now and hours later.

    Then things still happen, and a stranger comes and goes, but nothing grows.
    """
    story = Story(NOW)
    start, seen = len(everything(story)), Counter[str]()
    for steps in (0, 3000):
        seen += go_on(story, steps)
        found = everything(story)
        ages = [NOW - (one.invited_at or 0) for one in found]
        assert {one.relationship_status for one in found} == set(KNOWN_STATUSES)
        assert all(any(low <= age < high for age in ages) for low, high in pairwise(EDGES))
        strangers = {one.inviter_account_id for one in found} - MEMBERS
        assert {STRANGER} <= strangers <= {STRANGER, PASSING_STRANGER}
        assert len(story.invitations[BUSY]) > 25
        who_administers(story)
    assert 0 < seen[PASSING_STRANGER] < 3000
    later = everything(story)
    assert len(later) < start + 200
    go_on(story, 20)
    assert everything(story) != later


def who_administers(story: Story) -> None:
    """Require of each account one at most, not itself, and that Organizations needs no invite."""
    for target, known in story.invitations.items():
        assert target.account_id not in {one.inviter_account_id for one in known.values()}
        enabled = [one for one in known.values() if one.relationship_status == "Enabled"]
        if target.account_id == GOVERNED:
            assert story.administrator(target) in TRUSTED
            assert not known
        elif target.account_id == ADMINISTRATOR:
            assert story.administrator(target) is None
        elif target.account_id != HUB:
            assert len(enabled) == 1


def test_the_same_seed_tells_the_same_story() -> None:
    """Start and course follow from the seed alone."""
    first, second, other = (Story(NOW, seed) for seed in (1, 1, 2))
    for each in (first, second, other):
        go_on(each, 50)
    assert everything(first) == everything(second) != everything(other)
