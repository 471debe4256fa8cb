"""The least that IAM has to allow for a configuration: policies, a StackSet template, Terraform.

Pure: settings in, text out. Nothing stands in it beyond what the configuration uses.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from exporter.discovery import role_arn, role_of, secret
from exporter.model import Role
from exporter.settings import Settings

Document = Mapping[str, Any]

_VERSION = "2012-10-17"
_ROLE_MARK = ":role/"
UNKNOWN_HUB = "arn:aws:iam::HUB_ACCOUNT_ID:role/EXPORTER_ROLE"
"""Stands for the exporter's own role where nobody said which it is."""

HUB_PRINCIPAL = r"arn:aws:(?:iam|sts)::[0-9]{12}:[\w+=,.@/-]+|[0-9]{12}"
ORGANIZATION_ID = r"o-[a-z0-9]+"
"""As IAM and Organizations write them: others a trust policy would refuse, or let nobody in by."""


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
        """Give the different kinds of role, each of which needs a template of its own."""
        arns: dict[tuple[str, str], list[str]] = {}
        for role in self.roles:
            name = role.arn.partition(_ROLE_MARK)[2]
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
        """Give the role's path, with a slash at both ends."""
        path = self.role_name.rpartition("/")[0]
        return f"/{path}/" if path else "/"

    @property
    def name(self) -> str:
        """Give the role's name alone."""
        return self.role_name.rpartition("/")[2]


def grants(settings: Settings) -> Grants:
    """Read off the settings what they need."""
    organization = settings.aws.organization
    static = [role_of(account) for account in settings.aws.accounts]
    roles = [role for role in static if role is not None]
    discovers: tuple[str, ...] = ()
    if organization is not None:
        anywhere = role_arn("*", organization.role_name)
        roles = [Role(anywhere, secret(organization.external_id)), *roles]
        discovers = ("organizations:ListAccounts",)
        if organization.include_ous:
            discovers = (
                "organizations:ListAccountsForParent",
                "organizations:ListOrganizationalUnitsForParent",
            )
    asks_regions = ("account:ListRegions",) if settings.auto_regions else ()
    return Grants(
        tuple(dict.fromkeys(roles)),
        ("macie2:ListInvitations", *asks_regions),
        discovers,
        organization is not None or not static or None in static,
    )


def hub_policy(needs: Grants) -> Document:
    """Give the policy of the exporter's own role."""
    statements = []
    if needs.roles:
        arns = list(dict.fromkeys(role.arn for role in needs.roles))
        statements.append(_allow("AssumeMemberRoles", ["sts:AssumeRole"], arns))
    if needs.discovers:
        statements.append(_allow("DiscoverAccounts", needs.discovers, ["*"]))
    if needs.own:
        statements.append(_allow("ReadOwnInvitations", needs.reads, ["*"]))
    return {"Version": _VERSION, "Statement": statements}


def member_policy(needs: Grants) -> Document:
    """Give the policy of the role in each account; its actions take no resource."""
    return {"Version": _VERSION, "Statement": [_allow("ReadInvitations", needs.reads, ["*"])]}


def trust_policy(
    hub: object, *, external_id: object = "", organization_id: object = ""
) -> Document:
    """Give a role's trust: who may assume it, and what has to be shown."""
    shown = {"sts:ExternalId": external_id, "aws:PrincipalOrgID": organization_id}
    conditions = {key: value for key, value in shown.items() if value}
    statement: dict[str, Any] = {
        "Sid": "LetTheExporterIn",
        "Effect": "Allow",
        "Principal": {"AWS": hub},
        "Action": "sts:AssumeRole",
    }
    if conditions:
        statement["Condition"] = {"StringEquals": conditions}
    return {"Version": _VERSION, "Statement": [statement]}


def trust_policies(kind: Kind, _: Grants, hub: str, organization_id: str) -> str:
    """Give the trust of one kind of role."""
    policy = trust_policy(hub, external_id=kind.external_id, organization_id=organization_id)
    return as_json(policy)


def cloudformation(kind: Kind, needs: Grants, hub: str, organization_id: str) -> str:
    """Give a template that makes one kind of role: fit for a service-managed StackSet."""
    parameters: dict[str, Document] = {
        "HubPrincipalArn": _parameter("ARN of the role that the exporter runs as", hub, UNKNOWN_HUB)
    }
    shown: dict[str, object] = {}
    if kind.external_id:
        shown["external_id"] = {"Ref": "ExternalId"}
        parameters["ExternalId"] = {
            **_parameter("The exporter's external_id for these roles"),
            "NoEcho": True,
        }
    if organization_id:
        shown["organization_id"] = {"Ref": "OrganizationId"}
        parameters["OrganizationId"] = _parameter("Id of the organization", organization_id)
    properties = {
        "RoleName": kind.name,
        "Path": kind.path,
        "Description": "Lets macie-invitations-exporter list Macie invitations.",
        "AssumeRolePolicyDocument": trust_policy({"Ref": "HubPrincipalArn"}, **shown),
        "Policies": [{"PolicyName": "read-invitations", "PolicyDocument": member_policy(needs)}],
    }
    template = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "The role that macie-invitations-exporter assumes in each account.",
        "Parameters": parameters,
        "Resources": {"ReaderRole": {"Type": "AWS::IAM::Role", "Properties": properties}},
        "Outputs": {"RoleArn": {"Value": {"Fn::GetAtt": ["ReaderRole", "Arn"]}}},
    }
    return yaml.safe_dump(template, sort_keys=False, width=100)


def terraform(kind: Kind, needs: Grants, hub: str, organization_id: str) -> str:
    """Give a module that makes one kind of role, with what differs as variables."""
    principal = "ARN of the role that the exporter runs as"
    variables = [_variable("hub_principal_arn", principal, hub, UNKNOWN_HUB)]
    shown: dict[str, object] = {}
    if kind.external_id:
        shown["external_id"] = "${var.external_id}"
        variables.append(_variable("external_id", "The exporter's external_id for these roles"))
    if organization_id:
        shown["organization_id"] = "${var.organization_id}"
        variables.append(_variable("organization_id", "Id of the organization", organization_id))
    trust = trust_policy("${var.hub_principal_arn}", **shown)
    return "\n".join(
        [
            *variables,
            'resource "aws_iam_role" "reader" {',
            f"  name               = {json.dumps(kind.name)}",
            f"  path               = {json.dumps(kind.path)}",
            '  description        = "Lets macie-invitations-exporter list Macie invitations."',
            f"  assume_role_policy = {_jsonencode(trust)}",
            "}\n",
            'resource "aws_iam_role_policy" "read_invitations" {',
            '  name   = "read-invitations"',
            "  role   = aws_iam_role.reader.id",
            f"  policy = {_jsonencode(member_policy(needs))}",
            "}\n",
            'output "role_arn" {',
            "  value = aws_iam_role.reader.arn",
            "}\n",
        ]
    )


def _each(of_kind: Callable[[Kind, Grants, str, str], str]) -> Callable[[Grants, str, str], str]:
    """Give a document for each kind of role, under the roles that it is for."""

    def documents_of(needs: Grants, hub: str, organization_id: str) -> str:
        return "".join(
            "".join(f"# {arn}\n" for arn in kind.arns) + of_kind(kind, needs, hub, organization_id)
            for kind in needs.kinds
        )

    return documents_of


DOCUMENTS: Mapping[str, Callable[[Grants, str, str], str]] = {
    "hub-policy": lambda needs, _, __: as_json(hub_policy(needs)),
    "member-policy": lambda needs, _, __: as_json(member_policy(needs)),
    "trust-policy": _each(trust_policies),
    "cloudformation": _each(cloudformation),
    "terraform": _each(terraform),
}
"""What `iam` can print, by name; those about member roles only where there are any."""


def documents(settings: Settings, names: Sequence[str], hub: str, organization_id: str) -> str:
    """Give the named documents, each under its name where there are several."""
    needs = grants(settings)
    wanted = [name for name in names if needs.roles or name == "hub-policy"]
    texts = {name: DOCUMENTS[name](needs, hub or UNKNOWN_HUB, organization_id) for name in wanted}
    if len(names) == 1:
        return "".join(texts.values())
    return "\n".join(f"# --- {name} ---\n{text}" for name, text in texts.items())


def as_json(document: Document) -> str:
    """Write a policy as people paste it."""
    return json.dumps(document, indent=2) + "\n"


def _allow(sid: str, actions: Sequence[str], resources: Sequence[str]) -> Document:
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Action": _one_or_many(actions),
        "Resource": _one_or_many(resources),
    }


def _one_or_many(items: Sequence[str]) -> object:
    return items[0] if len(items) == 1 else list(items)


def _parameter(description: str, value: str = "", unset: str = "") -> Document:
    default = {"Default": value} if value and value != unset else {}
    return {"Type": "String", "Description": description, "MinLength": 1, **default}


def _variable(name: str, description: str, value: str = "", unset: str = "") -> str:
    lines = [
        f'variable "{name}" {{',
        "  type        = string",
        f"  description = {json.dumps(description)}",
    ]
    if value and value != unset:
        lines.append(f"  default     = {json.dumps(value)}")
    return "\n".join([*lines, "}\n"])


def _jsonencode(document: Document) -> str:
    inner = json.dumps(document, indent=2).replace("\n", "\n  ")
    return f"jsonencode({inner})"
