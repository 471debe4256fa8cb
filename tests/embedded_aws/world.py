"""The mutable truth that the embedded AWS answers from; knows nothing of HTTP or signatures.

A test changes it while the thread of an embedded AWS reads it: each of them in steps that the
other does not see half of, such as copying what is gone through.
"""

import itertools
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, NamedTuple

DEFAULT_REGIONS: Final = ("eu-west-1", "eu-central-1", "us-east-1", "us-east-2")
DEFAULT_ROLE: Final = "macie-invitations-reader"
ANY_REGION: Final = "*"
_ACCEPTED: Final = frozenset({"Enabled", "Paused"})


@dataclass(frozen=True, slots=True)
class Invitation:
    """One invitation as its receiver sees it; `account_id` is the inviter."""

    invitation_id: str
    account_id: str
    relationship_status: str
    invited_at: datetime | None


@dataclass(frozen=True, slots=True)
class Fault:
    """What a call gets instead of its answer.

    `times` is how many calls, None for all until healed. `{caller}` in the message stands for the
    ARN of whoever called. With `body` that body is sent as it is (for answers that are no JSON).
    With `hold` the answer waits until the event is set (for deadlines), at most a minute.
    """

    http_status: int
    code: str
    message: str
    times: int | None = None
    body: bytes | None = None
    hold: threading.Event | None = None


class Call(NamedTuple):
    """What is counted; for AssumeRole the account is the role's, else the caller's."""

    service: str
    operation: str
    account_id: str
    region: str


@dataclass(slots=True)
class _Target:
    """One account in one region."""

    macie: bool = True
    invitations: dict[str, Invitation] = field(default_factory=dict)


class World:
    """Accounts, their invitations, their roles, and what goes wrong.

    A new account has Macie enabled in every region of the world, and the role `role_name`.
    """

    def __init__(
        self,
        hub: str,
        *,
        regions: Sequence[str] = DEFAULT_REGIONS,
        session_seconds: int | None = None,
    ) -> None:
        """Make a world of the management account `hub` alone.

        `session_seconds` overrides how long assumed sessions live.
        """
        self.hub = hub
        self.role_name = DEFAULT_ROLE
        self.regions = tuple(regions)
        self.session_seconds = session_seconds
        self._accounts: dict[str, str] = {}
        self._targets: dict[tuple[str, str], _Target] = {}
        self._faults: dict[tuple[str, str, str], list[Fault]] = {}
        self._broken_roles: set[str] = set()
        self._revocations: Counter[str] = Counter()
        self._calls: Counter[Call] = Counter()
        self._served: Counter[tuple[str, str]] = Counter()
        self.add_account(hub, "management")

    # -- invitations ------------------------------------------------------------------------

    def invite(self, account: str, region: str, invitation: Invitation) -> None:
        """Add an invitation to a target, or replace the one with the same id in its place."""
        self._target(account, region).invitations[invitation.invitation_id] = invitation

    def set_status(self, account: str, region: str, invitation_id: str, status: str) -> None:
        """Change the relationship status of one invitation; raises KeyError if it is gone."""
        known = self._target(account, region).invitations
        known[invitation_id] = replace(known[invitation_id], relationship_status=status)

    def delete_invitation(self, account: str, region: str, invitation_id: str) -> None:
        """Remove one invitation; raises KeyError if it is gone."""
        del self._target(account, region).invitations[invitation_id]

    def invitations(self, account: str, region: str) -> tuple[Invitation, ...]:
        """Return the invitations of a target, oldest entry first, whatever else fails there."""
        return tuple(self._target(account, region).invitations.values())

    def served(self, account: str, region: str) -> int:
        """Return how many pages of ListInvitations a target has been answered."""
        return self._served[account, region]

    def serve(self, account: str, region: str) -> tuple[Invitation, ...]:
        """Return the invitations of a target for a page of them, which counts."""
        self._served[account, region] += 1
        return self.invitations(account, region)

    def disable_macie(self, account: str, region: str) -> None:
        """Switch Macie off in a target; its invitations are kept for when it is on again."""
        self._target(account, region).macie = False

    def enable_macie(self, account: str, region: str) -> None:
        """Switch Macie on in a target."""
        self._target(account, region).macie = True

    def macie_enabled(self, account: str, region: str) -> bool:
        """Return whether Macie is on in a target."""
        return self._target(account, region).macie

    def targets(self) -> tuple[tuple[str, str], ...]:
        """Return every (account, region), with Macie or without."""
        return tuple(itertools.product(self._accounts, self.regions))

    def administrator(self, account: str, region: str) -> Invitation | None:
        """Return who administers a target: whose invitation was accepted."""
        known = self.invitations(account, region)
        return next((one for one in known if one.relationship_status in _ACCEPTED), None)

    # -- faults -----------------------------------------------------------------------------

    def fail(self, account: str, region: str, fault: Fault, *, service: str = "macie2") -> None:
        """Let the next `fault.times` calls of a service fail, after earlier faults are used up.

        `region` may be `*`, and `service` one of its operations. For AssumeRole the account is that
        of the role.
        """
        self._faults.setdefault((service, account, region), []).append(fault)

    def heal(self, account: str, region: str, *, service: str = "macie2") -> None:
        """Forget the faults given to `fail` with these same arguments."""
        self._faults.pop((service, account, region), None)

    def deny_region_listing(self, account: str) -> None:
        """Let account:ListRegions answer AccessDeniedException; undo by `heal(…, "*", …)`."""
        message = "User: {caller} is not authorized to perform: account:ListRegions"
        fault = Fault(403, "AccessDeniedException", message)
        self.fail(account, ANY_REGION, fault, service="account")

    def take_fault(self, call: Call) -> Fault | None:
        """Return the fault that this call gets, if any, and use it up."""
        asked, places = (call.operation, call.service), (call.region, ANY_REGION)
        for what, where in itertools.product(asked, places):
            if waiting := self._faults.get((what, call.account_id, where)):
                fault = waiting.pop(0)
                if fault.times is None:
                    waiting.insert(0, fault)
                elif fault.times > 1:
                    waiting.insert(0, replace(fault, times=fault.times - 1))
                return fault
        return None

    # -- roles and sessions -----------------------------------------------------------------

    def role_arn(self, account: str) -> str:
        """Return the ARN of the role that this world has in an account."""
        return f"arn:aws:iam::{account}:role/{self.role_name}"

    def break_role(self, role_arn: str) -> None:
        """Refuse AssumeRole for this role."""
        self._broken_roles.add(role_arn)

    def mend_role(self, role_arn: str) -> None:
        """Allow AssumeRole for this role again."""
        self._broken_roles.discard(role_arn)

    def may_assume(self, role_arn: str) -> bool:
        """Return whether the hub may assume a role: it exists, and trusts the hub."""
        account, _, name = role_arn.removeprefix("arn:aws:iam::").partition(":role/")
        exists = account in self._accounts and name.rpartition("/")[2] == self.role_name
        return exists and role_arn not in self._broken_roles

    def revoke_sessions(self, account: str) -> None:
        """Expire every session that was issued so far for roles of this account."""
        self._revocations[account] += 1

    def revocations(self, account: str) -> int:
        """Return how often sessions of an account were revoked; a session remembers it."""
        return self._revocations[account]

    # -- organization -----------------------------------------------------------------------

    def add_account(self, account: str, name: str) -> None:
        """Add an account to the organization."""
        self._accounts[account] = name

    def remove_account(self, account: str) -> None:
        """Remove an account with all it has; its sessions are then unknown to Macie."""
        del self._accounts[account]
        for key in [key for key in self._targets if key[0] == account]:
            del self._targets[key]

    def organization(self) -> tuple[tuple[str, str], ...]:
        """Return the ids and names of the organization's accounts, in order of joining."""
        return tuple(self._accounts.items())

    def holds(self, account: str, region: str) -> bool:
        """Return whether there are such an account and such a region."""
        return account in self._accounts and region in self.regions

    # -- what was called --------------------------------------------------------------------

    def count(self, call: Call) -> None:
        """Count one authenticated call, whatever it is answered."""
        self._calls[call] += 1

    def calls(self) -> Counter[Call]:
        """Return a copy of the counts of all authenticated calls, refused ones included."""
        return Counter(self._calls)

    def _target(self, account: str, region: str) -> _Target:
        return self._targets.setdefault((account, region), _Target())
