"""A believable organization, and how it changes while the demo runs; the same for the same seed.

Times are Unix seconds.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from exporter.model import KNOWN_STATUSES, PENDING_STATUSES, Account, Invitation, Target


def _member(account_id: str, name: str, team: str, environment: str = "production") -> Account:
    return Account(account_id, name, labels={"team": team, "environment": environment})


HUB: Final = "111111111111"
ADMINISTRATOR: Final = "012345678901"
FORMER_ADMINISTRATOR: Final = "000011112222"
TRUSTED: Final = (ADMINISTRATOR, FORMER_ADMINISTRATOR)
STRANGER: Final = "660066006600"
PASSING_STRANGER: Final = "990099009900"
ACCOUNTS: Final = (
    _member(HUB, "management", "platform"),
    _member(ADMINISTRATOR, "security-tooling", "security"),
    _member(FORMER_ADMINISTRATOR, "log-archive", "security"),
    _member("333344445555", "payments", "payments"),
    _member("444455556666", "data-lake", "analytics"),
    _member("555566667777", "checkout", "payments"),
    _member("007700770077", "customer-support", "support"),
    _member("666677778888", "machine-learning", "analytics"),
    _member("777788889999", "payments-staging", "payments", "staging"),
    _member("888899990000", "web-staging", "web", "staging"),
    _member("090909090909", "sandbox", "platform", "sandbox"),
    _member("121212121212", "legacy-erp", "finance"),
)
REGIONS: Final = ("eu-west-1", "eu-central-1", "us-east-1", "us-east-2")
ROLE_NAME: Final = "macie-invitations-reader"

GOVERNED: Final = "007700770077"
"""A member of the administrator's by AWS Organizations: no invitation tells of it."""
BUSY: Final = Target("666677778888", "us-east-1")
THROTTLED: Final = Target("555566667777", "eu-west-1")
NOT_ENABLED: Final = Target("090909090909", "eu-central-1")
DENIED: Final = Target("121212121212", "us-east-1")
BROKEN: Final = "888899990000"
"""An account whose role lets nobody in."""
_PAYMENTS: Final = Target("333344445555", "us-east-1")
_DATA_LAKE: Final = Target("444455556666", "eu-west-1")
_STILL: Final = frozenset({HUB, *TRUSTED, GOVERNED, BROKEN, BUSY, NOT_ENABLED, DENIED})
"""Where nothing changes, so that visitors find it."""

_DAY: Final = 86_400.0
# One age within each of the default buckets, whose edges are 1, 7, 30 and 90 days.
_AGES: Final = (0.2 * _DAY, 3.3 * _DAY, 17 * _DAY, 55 * _DAY, 204 * _DAY)
_SETTLED: Final = ("Removed", "Resigned", "EmailVerificationFailed")
_BUSY_INVITATIONS: Final = 60
_MOST_INVITATIONS: Final = 200
_THROTTLES: Final = 4
"""Calls in a row: more than a client tries again."""


class Story:
    """What the demo's AWS knows, as it is now."""

    def __init__(self, now: float, seed: int = 20) -> None:
        """Begin as visitors find it at `now`."""
        self._rng = random.Random(seed)  # noqa: S311 -- a story, no secret
        self.invitations: dict[Target, dict[str, Invitation]] = {
            Target(account.id, region): {} for account in ACCOUNTS for region in REGIONS
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
        if target.account_id == GOVERNED:
            return ADMINISTRATOR
        known = self.invitations.get(target, {}).values()
        enabled = (one.inviter_account_id for one in known if one.relationship_status == "Enabled")
        return next(enabled, None)

    def step(self, now: float) -> None:
        """Change one thing; which one follows from the seed and from what is there."""
        match self._rng.randrange(5):
            case 0:
                self._arrive(now)
            case 1:
                self._accept()
            case 2:
                self._leave(TRUSTED, _SETTLED)
            case 3:
                if not self._leave((PASSING_STRANGER,), KNOWN_STATUSES):
                    self._add(self._somewhere(), PASSING_STRANGER, "Invited", now)
            case _:
                self.throttles = _THROTTLES

    def _add(self, target: Target, inviter: str, status: str, invited_at: float) -> None:
        identity = f"{self._rng.getrandbits(128):032x}"
        self.invite(target, Invitation(inviter, identity, status, invited_at))

    def _begin(self, target: Target, now: float) -> None:
        """Add what most have: the administrator's accepted invitation, and some others."""
        rng = self._rng
        if target.account_id in {GOVERNED, ADMINISTRATOR}:
            return
        self._add(target, ADMINISTRATOR, "Enabled", now - _AGES[-1] * rng.uniform(0.6, 2))
        if target.account_id == FORMER_ADMINISTRATOR:
            return
        for _ in range(rng.randrange(3)):
            status = rng.choice((*PENDING_STATUSES, *_SETTLED))
            self._add(target, FORMER_ADMINISTRATOR, status, now - rng.choice(_AGES))

    def _add_exhibits(self, now: float) -> None:
        """Add what a visitor should find: every status, every age, pages, and strangers."""
        everywhere, hub = Target(HUB, REGIONS[1]), Target(HUB, REGIONS[0])
        for index, status in enumerate(KNOWN_STATUSES):
            self._add(everywhere, FORMER_ADMINISTRATOR, status, now - _AGES[index % len(_AGES)])
        for age in _AGES:
            self._add(hub, ADMINISTRATOR, "Invited", now - age)
        for day in range(_BUSY_INVITATIONS):
            status = self._rng.choice(_SETTLED)
            self._add(BUSY, FORMER_ADMINISTRATOR, status, now - day * _DAY)
        self._add(_PAYMENTS, STRANGER, "Invited", now - _AGES[2])
        self._add(_DATA_LAKE, STRANGER, "Invited", now - _AGES[0])

    def _changing(self) -> Iterator[Target]:
        return (each for each in self.invitations if _STILL.isdisjoint({each, each.account_id}))

    def _somewhere(self) -> Target:
        return self._rng.choice([*self._changing()])

    def _found(
        self, inviters: Sequence[str], statuses: Sequence[str]
    ) -> list[tuple[Target, Invitation]]:
        return [
            (target, one)
            for target in self._changing()
            for one in self.invitations[target].values()
            if one.inviter_account_id in inviters and one.relationship_status in statuses
        ]

    def _arrive(self, now: float) -> None:
        """Let a trusted account invite, unless plenty of invitations are there."""
        if len(self._found(TRUSTED, KNOWN_STATUSES)) < _MOST_INVITATIONS:
            self._add(self._somewhere(), self._rng.choice(TRUSTED), "Invited", now)

    def _accept(self) -> None:
        """Let one trusted invitation be accepted, after resigning from the administrator before.

        An account has one administrator:
        https://docs.aws.amazon.com/macie/latest/user/accounts-mgmt-invitations-members.html
        """
        if pending := self._found(TRUSTED, PENDING_STATUSES):
            target, accepted = self._rng.choice(pending)
            for other in tuple(self.invitations[target].values()):
                if other.relationship_status == "Enabled":
                    self.invite(target, replace(other, relationship_status="Resigned"))
            self.invite(target, replace(accepted, relationship_status="Enabled"))

    def _leave(self, inviters: Sequence[str], statuses: Sequence[str]) -> bool:
        """Let one invitation like that be deleted; return whether there was one."""
        found = self._found(inviters, statuses)
        if found:
            target, invitation = self._rng.choice(found)
            del self.invitations[target][invitation.invitation_id]
        return bool(found)
