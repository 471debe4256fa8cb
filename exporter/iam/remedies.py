"""What mends a target that AWS denies: in words, and as the statements to paste.

Pure. `exporter.error_codes` says what mends an error anywhere; here it is known whose role it was.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from exporter.error_codes import hint_of
from exporter.iam.policies import (
    UNKNOWN_HUB,
    Grants,
    as_json,
    grants,
    hub_policy,
    member_policy,
    trust_policy,
)
from exporter.model import Account, Failure, Role
from exporter.settings import Settings

SECRET = "EXTERNAL_ID"  # noqa: S105 -- stands in its place
_CALLER = re.compile(
    r"User: arn:(?P<partition>aws[a-z-]*):(?P<service>iam|sts)::(?P<account>[0-9]{12}):"
    r"(?P<kind>user|role|assumed-role)/(?P<name>[\w+=,.@/-]+) is not authorized",
    re.ASCII,
)


_READS = ("macie2:ListInvitations", "macie2:GetAdministratorAccount", "account:ListRegions")


@dataclass(frozen=True, slots=True)
class Remedy:
    """What to do, and the policies for it as JSON, if it is a matter of those."""

    text: str
    policies: Mapping[str, str] = field(default_factory=dict)
    """By where they belong."""


def remedy(account: Account, failure: Failure, settings: Settings) -> Remedy:
    """Say what mends a target's failed poll."""
    match failure.code:
        case "AccessDenied" if account.role is not None and not failure.own:
            return _let_in(account.role, principal(failure.message))
        case "AccessDeniedException" if failure.asked in ("", *_READS):
            return _let_read(account, failure.asked or _READS[0], grants(settings))
        case _:
            return Remedy(hint_of(failure))


def assume_role(role: Role) -> str:
    """Say what lets the exporter assume a role."""
    external = " and its sts:ExternalId" if role.external_id else ""
    return (
        f"let the trust policy of {role.arn} name the exporter's principal{external}, "
        f"and allow the exporter sts:AssumeRole on {role.arn}"
    )


def allow(action: str, account: Account) -> str:
    """Say what lets the exporter take an action in an account."""
    where = f"the policy of {account.role.arn}" if account.role else "the exporter's own policy"
    return (
        f"allow {action} on Resource '*' in {where}, "
        "and look for a service control policy that denies it"
    )


def principal(message: str) -> str:
    """Read off AWS's denial who was denied, as a trust policy names it.

    A role's sessions are trusted by the role's ARN, of which the session's leaves out the path:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
    """
    caller = _CALLER.match(message)
    if caller is None:
        return UNKNOWN_HUB
    kind, name = caller["kind"], caller["name"]
    if kind == "assumed-role":
        kind, name = "role", name.partition("/")[0]
    return f"arn:{caller['partition']}:iam::{caller['account']}:{kind}/{name}"


def _let_in(role: Role, hub: str) -> Remedy:
    alone = Grants(roles=(role,), reads=(), discovers=(), own=False)
    trust = trust_policy(hub, external_id=SECRET if role.external_id else "")
    policies = {
        f"The trust policy of {role.arn}": as_json(trust),
        "In the exporter's own policy": as_json(hub_policy(alone)),
    }
    return Remedy(assume_role(role), policies)


def _let_read(account: Account, action: str, needs: Grants) -> Remedy:
    place = f"The policy of {account.role.arn}" if account.role else "The exporter's own policy"
    policy = member_policy(needs) if account.role else hub_policy(needs)
    return Remedy(allow(action, account), {place: as_json(policy)})
