"""The least that IAM has to allow for a configuration, as policies.

Pure. Nothing stands in them beyond what the configuration uses.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from exporter.model import Role
from exporter.settings import Settings
from exporter.settings.tree import Metrics, Organization

Document = Mapping[str, Any]

VERSION = "2012-10-17"
ROLE_MARK = ":role/"
UNKNOWN_HUB = "arn:aws:iam::HUB_ACCOUNT_ID:role/EXPORTER_ROLE"
"""Stands for the exporter's own role where nobody said which it is."""


@dataclass(frozen=True, slots=True)
class Grants:
    """What a configuration needs of IAM."""

    roles: tuple[Role, ...]
    """Roles that the exporter assumes; `*` in an ARN stands for any account."""
    reads: tuple[str, ...]
    """Actions in every polled account."""
    discovers: tuple[str, ...]
    """Actions that find the organization's accounts."""
    own: bool
    """Whether an account is polled with the exporter's own credentials."""

    @property
    def kinds(self) -> tuple["Kind", ...]:
        """Return the different kinds of role, each of which needs a template of its own."""
        arns: dict[tuple[str, str], list[str]] = {}
        for role in self.roles:
            name = role.arn.partition(ROLE_MARK)[2]
            arns.setdefault((name, role.external_id or ""), []).append(role.arn)
        return tuple(Kind(name, external, tuple(of)) for (name, external), of in arns.items())


@dataclass(frozen=True, slots=True)
class Kind:
    """Roles that differ in nothing but their account."""

    role_name: str
    """Its path included."""
    external_id: str
    arns: tuple[str, ...]

    @property
    def path(self) -> str:
        """Return the role's path, with a slash at both ends."""
        path = self.role_name.rpartition("/")[0]
        return f"/{path}/" if path else "/"

    @property
    def name(self) -> str:
        """Return the role's name alone."""
        return self.role_name.rpartition("/")[2]


def grants(settings: Settings) -> Grants:
    """Read off the settings what they need."""
    organization = settings.aws.organization
    static = [account.role for account in settings.aws.accounts]
    roles = [role for role in static if role is not None]
    discovers: tuple[str, ...] = ()
    if organization is not None:
        roles = [organization.role_in("*"), *roles]
        discovers = tuple(_discovers(settings.metrics, organization))
    return Grants(
        tuple(dict.fromkeys(roles)),
        tuple(_reads(settings)),
        discovers,
        organization is not None or not static or None in static,
    )


def _discovers(metrics: Metrics, organization: Organization) -> Iterator[str]:
    if not organization.include_ous or metrics.trust_organization:
        yield "organizations:ListAccounts"
    if organization.include_ous:
        yield "organizations:ListAccountsForParent"
        yield "organizations:ListOrganizationalUnitsForParent"
    if metrics.account_labels:
        yield "organizations:ListTagsForResource"


def _reads(settings: Settings) -> Iterator[str]:
    yield "macie2:ListInvitations"
    if settings.metrics.administrator.enabled:
        yield "macie2:GetAdministratorAccount"
    if settings.auto_regions:
        yield "account:ListRegions"


def hub_policy(needs: Grants, organization_id: object = "") -> Document:
    """Return the policy of the exporter's own role, which stays in an organization that is known.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
    """
    statements = []
    if needs.roles:
        arns = list(dict.fromkeys(role.arn for role in needs.roles))
        assume = _allow("AssumeMemberRoles", ["sts:AssumeRole"], arns)
        if organization_id:
            assume["Condition"] = {"StringEquals": {"aws:ResourceOrgID": organization_id}}
        statements.append(assume)
    if needs.discovers:
        statements.append(_allow("DiscoverAccounts", needs.discovers, ["*"]))
    if needs.own:
        statements.append(_allow("ReadOwnInvitations", needs.reads, ["*"]))
    return {"Version": VERSION, "Statement": statements}


def member_policy(needs: Grants) -> Document:
    """Return the policy of the role in each account; its actions take no resource."""
    return {"Version": VERSION, "Statement": [_allow("ReadInvitations", needs.reads, ["*"])]}


def trust_policy(
    hub_principal_arn: object, *, external_id: object = "", organization_id: object = ""
) -> Document:
    """Return a role's trust: who may assume it, and what has to be shown."""
    shown = {"sts:ExternalId": external_id, "aws:PrincipalOrgID": organization_id}
    conditions = {key: value for key, value in shown.items() if value}
    statement: dict[str, Any] = {
        "Sid": "LetTheExporterIn",
        "Effect": "Allow",
        "Principal": {"AWS": hub_principal_arn},
        "Action": "sts:AssumeRole",
    }
    if conditions:
        statement["Condition"] = {"StringEquals": conditions}
    return {"Version": VERSION, "Statement": [statement]}


def as_json(document: Document) -> str:
    """Write a policy as people paste it."""
    return json.dumps(document, indent=2) + "\n"


def _allow(sid: str, actions: Sequence[str], resources: Sequence[str]) -> dict[str, object]:
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Action": _one_or_many(actions),
        "Resource": _one_or_many(resources),
    }


def _one_or_many(items: Sequence[str]) -> object:
    return items[0] if len(items) == 1 else list(items)
