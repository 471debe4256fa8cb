"""What happens to an organization and to its AWS during a soak, a little at a time."""

import random
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from tests import fleets
from tests.embedded_aws.world import Fault, Invitation, World

STEADY = fleets.accounts(3)
"""Accounts to which nothing happens, so that their polls can be counted."""

_FAULTS = (
    Fault(429, "ThrottlingException", "slow down", times=4),
    Fault(500, "InternalServerException", "oops", times=3),
    Fault(403, "AccessDeniedException", "not authorized", times=2),
    Fault(403, "ExpiredTokenException", "expired", times=1),
    Fault(200, "", "", times=2, body=b"<html>log in</html>"),
    Fault(200, "", "", times=2, body=b'{"invitations": [{"accountId": 7}]}'),
    Fault(503, "ServiceUnavailable", "later"),
)
_AGES = tuple(timedelta(hours=hours) for hours in (3, 60, 400, 1500, 5000))


class Weather:
    """Changes a world; every change is one of a few kinds, by chance."""

    def __init__(self, world: World, rng: random.Random) -> None:
        """Begin with forty accounts in which something may happen."""
        self.world, self._rng = world, rng
        self._number = 0
        self._holds: list[threading.Event] = []
        self._open = list(fleets.accounts(40)[len(STEADY) :])
        for account in (*STEADY, *self._open):
            world.add_account(account, f"account {account}")
            self._invite(account)
        self._kinds: Sequence[Callable[[str, str], object]] = (
            self._fault,
            self._fault,
            self._hold,
            self._of_services,
            self._change,
            self._change,
            lambda account, _: self._invite(account),
            world.disable_macie,
            world.enable_macie,
            lambda account, _: world.break_role(world.role_arn(account)),
            lambda account, _: world.mend_role(world.role_arn(account)),
            lambda account, _: world.revoke_sessions(account),
            self._join,
            self._leave,
            lambda *_: self.clear(),
        )

    def blow(self) -> None:
        """Let something happen."""
        account, region = self._rng.choice(self._open), self._rng.choice(fleets.REGIONS)
        self._rng.choice(self._kinds)(account, region)

    def clear(self) -> None:
        """End every fault; what the accounts hold stays."""
        for hold in self._holds:
            hold.set()
        self._holds.clear()
        for account in (*self._open, fleets.HUB):
            for region in (*fleets.REGIONS, "*"):
                for service in ("macie2", "sts", "organizations"):
                    self.world.heal(account, region, service=service)
            self.world.mend_role(self.world.role_arn(account))

    def targets(self) -> list[tuple[str, str]]:
        """Return what there is to poll."""
        accounts = (fleets.HUB, *STEADY, *self._open)
        return [(account, region) for account in accounts for region in fleets.REGIONS]

    def served(self) -> list[int]:
        """Return how often each of the steady targets was polled."""
        return [
            self.world.served(account, region) for account in STEADY for region in fleets.REGIONS
        ]

    def _fault(self, account: str, region: str) -> None:
        self.world.fail(account, region, self._rng.choice(_FAULTS))

    def _hold(self, account: str, region: str) -> None:
        hold = threading.Event()
        self._holds.append(hold)
        self.world.fail(account, region, Fault(500, "x", "", times=1, hold=hold))

    def _of_services(self, account: str, _: str) -> None:
        fault = self._rng.choice(_FAULTS[:2])
        self.world.fail(account, "*", fault, service="sts")
        self.world.fail(fleets.HUB, "*", fault, service="organizations")

    def _change(self, account: str, region: str) -> None:
        for one in self.world.invitations(account, region)[:1]:
            if self._rng.random() < 0.5:
                self.world.delete_invitation(account, region, one.invitation_id)
            else:
                self.world.set_status(account, region, one.invitation_id, "Removed")

    def _invite(self, account: str) -> None:
        for region in fleets.REGIONS:
            self._number += 1
            when = datetime.now(UTC).replace(microsecond=0) - self._rng.choice(_AGES)
            inviter = self._rng.choice((*fleets.TRUSTED, fleets.STRANGER))
            one = Invitation(f"i-{self._number}", inviter, "Invited", when)
            if len(self.world.invitations(account, region)) < 40:
                self.world.invite(account, region, one)

    def _join(self, *_: str) -> None:
        if len(self._open) < 50:
            self._number += 1
            account = f"{500_000_000_000 + self._number}"
            self.world.add_account(account, "newcomer")
            self._open.append(account)
            self._invite(account)

    def _leave(self, account: str, _: str) -> None:
        if len(self._open) > 25:
            self._open.remove(account)
            self.world.remove_account(account)
