"""A believable organization, and how it changes while the demo runs; the same for the same seed."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import starmap
from typing import Final

from exporter.model import KNOWN_STATUSES


@dataclass(frozen=True, slots=True)
class Account:
    """A member of the organization, with its tags `team` and `environment`."""

    id: str
    name: str
    team: str
    environment: str


@dataclass(frozen=True, slots=True)
class Invitation:
    """One invitation as its receiver sees it; `account_id` is the inviter."""

    invitation_id: str
    account_id: str
    relationship_status: str
    invited_at: datetime


Target = tuple[str, str]
"""An account and a region."""

HUB: Final = "111111111111"
ADMINISTRATOR: Final = "012345678901"
FORMER_ADMINISTRATOR: Final = "000011112222"
TRUSTED: Final = (ADMINISTRATOR, FORMER_ADMINISTRATOR)
STRANGER: Final = "660066006600"
PASSING_STRANGER: Final = "990099009900"
ACCOUNTS: Final = tuple(
    starmap(
        Account,
        (
            (HUB, "management", "platform", "production"),
            (ADMINISTRATOR, "security-tooling", "security", "production"),
            (FORMER_ADMINISTRATOR, "log-archive", "security", "production"),
            ("333344445555", "payments", "payments", "production"),
            ("444455556666", "data-lake", "analytics", "production"),
            ("555566667777", "checkout", "payments", "production"),
            ("007700770077", "customer-support", "support", "production"),
            ("666677778888", "machine-learning", "analytics", "production"),
            ("777788889999", "payments-staging", "payments", "staging"),
            ("888899990000", "web-staging", "web", "staging"),
            ("090909090909", "sandbox", "platform", "sandbox"),
            ("121212121212", "legacy-erp", "finance", "production"),
        ),
    )
)
REGIONS: Final = ("eu-west-1", "eu-central-1", "us-east-1", "us-east-2")
ROLE_NAME: Final = "macie-invitations-reader"

GOVERNED: Final = "007700770077"
"""A member of the administrator's by AWS Organizations: no invitation tells of it."""
BUSY: Final = ("666677778888", "us-east-1")
THROTTLED: Final = ("555566667777", "eu-west-1")
NOT_ENABLED: Final = ("090909090909", "eu-central-1")
DENIED: Final = ("121212121212", "us-east-1")
BROKEN: Final = "888899990000"
"""An account whose role lets nobody in."""
_PAYMENTS: Final = ("333344445555", "us-east-1")
_DATA_LAKE: Final = ("444455556666", "eu-west-1")

# One age within each of the default buckets, whose edges are 1, 7, 30 and 90 days.
_AGES: Final = (
    timedelta(hours=5),
    timedelta(days=3, hours=7),
    timedelta(days=17),
    timedelta(days=55),
    timedelta(days=204),
)
_PENDING: Final = ("Invited", "Created", "EmailVerificationInProgress")
_SETTLED: Final = ("Removed", "Resigned", "EmailVerificationFailed")
_BUSY_INVITATIONS: Final = 60
_MOST_INVITATIONS: Final = 200
_THROTTLES: Final = 4
"""Calls in a row: more than a client tries again."""


class Story:
    """What the demo's AWS knows, as it is now."""

    def __init__(self, now: datetime, seed: int = 20) -> None:
        """Begin as visitors find it at `now`."""
        self._rng = random.Random(seed)  # noqa: S311 -- a story, no secret
        self.invitations: dict[Target, dict[str, Invitation]] = {
            (account.id, region): {} for account in ACCOUNTS for region in REGIONS
        }
        self.throttles = _THROTTLES
        """How many of the next calls are throttled, at the one target that is."""
        for target in self.invitations:
            self._begin(target, now)
        self._add_exhibits(now)

    def invite(self, target: Target, invitation: Invitation) -> None:
        """Add an invitation, or replace the one with the same id."""
        self.invitations[target][invitation.invitation_id] = invitation

    def administrator(self, target: Target) -> str | None:
        """Return the account that administers Macie there, by invitation or by Organizations."""
        if target[0] == GOVERNED:
            return ADMINISTRATOR
        known = self.invitations.get(target, {}).values()
        enabled = (one.account_id for one in known if one.relationship_status == "Enabled")
        return next(enabled, None)

    def step(self, now: datetime) -> None:
        """Change one thing; which one follows from the seed and from what is there."""
        steps: tuple[Callable[[datetime], None], ...] = (
            self._arrive,
            self._accept,
            self._leave,
            self._stray,
            self._strain,
        )
        self._rng.choice(steps)(now)

    def _add(self, target: Target, inviter: str, status: str, invited_at: datetime) -> None:
        identity = f"{self._rng.getrandbits(128):032x}"
        self.invite(target, Invitation(identity, inviter, status, invited_at))

    def _begin(self, target: Target, now: datetime) -> None:
        """Add what most have: the administrator's accepted invitation, and some others."""
        rng = self._rng
        if target[0] in {GOVERNED, ADMINISTRATOR}:
            return
        self._add(target, ADMINISTRATOR, "Enabled", now - _AGES[-1] * rng.uniform(0.6, 2))
        if target[0] == FORMER_ADMINISTRATOR:
            return
        for _ in range(rng.randrange(3)):
            status = rng.choice((*_PENDING, *_SETTLED))
            self._add(target, FORMER_ADMINISTRATOR, status, now - rng.choice(_AGES))

    def _add_exhibits(self, now: datetime) -> None:
        """Add what a visitor should find: every status, every age, pages, and strangers."""
        for index, status in enumerate(KNOWN_STATUSES):
            invited_at = now - _AGES[index % len(_AGES)]
            self._add((HUB, REGIONS[1]), FORMER_ADMINISTRATOR, status, invited_at)
        for age in _AGES:
            self._add((HUB, REGIONS[0]), ADMINISTRATOR, "Invited", now - age)
        for index in range(_BUSY_INVITATIONS):
            status = self._rng.choice(_SETTLED)
            self._add(BUSY, FORMER_ADMINISTRATOR, status, now - timedelta(days=index))
        self._add(_PAYMENTS, STRANGER, "Invited", now - _AGES[2])
        self._add(_DATA_LAKE, STRANGER, "Invited", now - _AGES[0])

    def _changing(self) -> Iterator[Target]:
        """Return where things change; what visitors should find elsewhere stays."""
        still = {HUB, *TRUSTED, GOVERNED, BROKEN, BUSY, NOT_ENABLED, DENIED}
        return (each for each in self.invitations if still.isdisjoint({each, each[0]}))

    def _somewhere(self) -> Target:
        return self._rng.choice([*self._changing()])

    def _found(
        self, inviters: tuple[str, ...], statuses: tuple[str, ...] = KNOWN_STATUSES
    ) -> list[tuple[Target, Invitation]]:
        return [
            (target, one)
            for target in self._changing()
            for one in self.invitations[target].values()
            if one.account_id in inviters and one.relationship_status in statuses
        ]

    def _arrive(self, now: datetime) -> None:
        """Let a trusted account invite, unless plenty of invitations are there."""
        if len(self._found(TRUSTED)) < _MOST_INVITATIONS:
            self._add(self._somewhere(), self._rng.choice(TRUSTED), "Invited", now)

    def _accept(self, _: datetime) -> None:
        """Let one trusted invitation be accepted, after resigning from the administrator before.

        An account has one administrator:
        https://docs.aws.amazon.com/macie/latest/user/accounts-mgmt-invitations-members.html
        """
        if pending := self._found(TRUSTED, _PENDING):
            target, accepted = self._rng.choice(pending)
            for other in tuple(self.invitations[target].values()):
                if other.relationship_status == "Enabled":
                    self.invite(target, replace(other, relationship_status="Resigned"))
            self.invite(target, replace(accepted, relationship_status="Enabled"))

    def _leave(self, _: datetime) -> None:
        """Let one settled invitation be deleted."""
        if settled := self._found(TRUSTED, _SETTLED):
            target, invitation = self._rng.choice(settled)
            del self.invitations[target][invitation.invitation_id]

    def _stray(self, now: datetime) -> None:
        """Let a stranger invite, or go away again if it did."""
        if present := self._found((PASSING_STRANGER,)):
            target, invitation = present[0]
            del self.invitations[target][invitation.invitation_id]
        else:
            self._add(self._somewhere(), PASSING_STRANGER, "Invited", now)

    def _strain(self, _: datetime) -> None:
        self.throttles = _THROTTLES
