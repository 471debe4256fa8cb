"""The mutable truth that the embedded AWS answers from; knows nothing of HTTP or signatures.

A test changes it while the thread of an embedded AWS reads it: each of them in steps that the
other does not see half of, such as copying what is gone through.
"""

import itertools
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, NamedTuple

DEFAULT_ROLE: Final = "macie-invitations-reader"


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


class World:
    """Accounts, their invitations, their roles, and what goes wrong.

    A new account has Macie enabled in every region of the world, and the role `role_name`.
    """

    def __init__(
        self, hub: str, *, regions: Sequence[str], session_seconds: int | None = None
    ) -> None:
        """Make a world of the management account `hub` alone.

        `session_seconds` overrides how long assumed sessions live.
        """
        self.hub = hub
        self.role_name = DEFAULT_ROLE
        self.regions = tuple(regions)
        self.session_seconds = session_seconds
        self.accounts: dict[str, str] = {}
        """Names by ids, in order of joining."""
        self.revocations: Counter[str] = Counter()
        """How often sessions of an account were revoked; a session remembers it."""
        self.called: Counter[Call] = Counter()
        self.pages: Counter[tuple[str, str]] = Counter()
        self._off: set[tuple[str, str]] = set()
        self._invitations: dict[tuple[str, str], dict[str, Invitation]] = {}
        self._faults: dict[tuple[str, str, str], list[Fault]] = {}
        self._broken_roles: set[str] = set()
        self.add_account(hub, "management")

    # -- invitations ------------------------------------------------------------------------

    def invite(self, account: str, region: str, invitation: Invitation) -> None:
        """Add an invitation to a target, or replace the one with the same id in its place."""
        held = self._invitations.setdefault((account, region), {})
        held[invitation.invitation_id] = invitation

    def set_status(self, account: str, region: str, invitation_id: str, status: str) -> None:
        """Change the relationship status of one invitation; raises KeyError if it is gone."""
        held = self._invitations[account, region]
        held[invitation_id] = replace(held[invitation_id], relationship_status=status)

    def delete_invitation(self, account: str, region: str, invitation_id: str) -> None:
        """Remove one invitation; raises KeyError if it is gone."""
        del self._invitations[account, region][invitation_id]

    def invitations(self, account: str, region: str) -> tuple[Invitation, ...]:
        """Return the invitations of a target, oldest entry first, whatever else fails there."""
        return tuple(self._invitations.get((account, region), {}).values())

    def served(self, account: str, region: str) -> int:
        """Return how many pages of ListInvitations a target has been answered."""
        return self.pages[account, region]

    def disable_macie(self, account: str, region: str) -> None:
        """Switch Macie off in a target; its invitations are kept for when it is on again."""
        self._off.add((account, region))

    def enable_macie(self, account: str, region: str) -> None:
        """Switch Macie on in a target."""
        self._off.discard((account, region))

    def macie_enabled(self, account: str, region: str) -> bool:
        """Return whether Macie is on in a target."""
        return (account, region) not in self._off

    def targets(self) -> tuple[tuple[str, str], ...]:
        """Return every (account, region), with Macie or without."""
        return tuple(itertools.product(self.accounts, self.regions))

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
        self.fail(account, "*", Fault(403, "AccessDeniedException", message), service="account")

    def take_fault(self, call: Call) -> Fault | None:
        """Return the fault that this call gets, if any, and use it up."""
        asked, places = (call.operation, call.service), (call.region, "*")
        for what, where in itertools.product(asked, places):
            if waiting := self._faults.get((what, call.account_id, where)):
                fault = waiting.pop(0)
                if fault.times is None:
                    waiting.insert(0, fault)
                elif fault.times > 1:
                    waiting.insert(0, replace(fault, times=fault.times - 1))
                return fault
        return None

    # -- accounts, their roles and sessions ---------------------------------------------------

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
        exists = account in self.accounts and name.rpartition("/")[2] == self.role_name
        return exists and role_arn not in self._broken_roles

    def revoke_sessions(self, account: str) -> None:
        """Expire every session that was issued so far for roles of this account."""
        self.revocations[account] += 1

    def add_account(self, account: str, name: str) -> None:
        """Add an account to the organization."""
        self.accounts[account] = name

    def remove_account(self, account: str) -> None:
        """Remove an account with all it has; its sessions are then unknown to Macie."""
        del self.accounts[account]
        for key in [key for key in self._invitations if key[0] == account]:
            del self._invitations[key]
        self._off = {key for key in self._off if key[0] != account}

    def calls(self) -> Counter[Call]:
        """Return a copy of the counts of all authenticated calls, refused ones included."""
        return Counter(self.called)
