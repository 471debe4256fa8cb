"""What `iam` prints of policies: as JSON, a CloudFormation template for a StackSet, and Terraform.

Pure: settings in, text out.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import yaml

from exporter.iam.policies import (
    ROLE_MARK,
    UNKNOWN_HUB,
    VERSION,
    Document,
    Grants,
    Kind,
    as_json,
    grants,
    hub_policy,
    member_policy,
    trust_policy,
)
from exporter.settings import Settings

HUB_PRINCIPAL = r"arn:aws:(?:iam|sts)::[0-9]{12}:[\w+=,.@/-]+|[0-9]{12}"
ORGANIZATION_ID = r"o-[a-z0-9]+"
"""As IAM and Organizations write them: others a trust policy would refuse, or let nobody in by."""


@dataclass(frozen=True, slots=True)
class _Role:
    """An IAM role to make."""

    resource: str
    """What templates call it."""
    kind: Kind
    description: str
    policy_name: str
    policy: Document
    trust: Callable[..., Document]
    """Makes its trust policy of the variables' values."""
    variables: Mapping[str, tuple[str, str]]
    """What differs from place to place: a description and a default, which may be empty."""


def _hub(needs: Grants, hub: str, organization_id: str) -> _Role:
    """Return the exporter's own role; EKS Pod Identity tags its sessions."""

    def trust(trusted_service: object) -> Document:
        allowed = {"Effect": "Allow", "Principal": {"Service": trusted_service}}
        allowed |= {"Action": ["sts:AssumeRole", "sts:TagSession"]}
        return {"Version": VERSION, "Statement": [allowed]}

    return _Role(
        "hub",
        Kind(hub.partition(ROLE_MARK)[2] or "macie-exporter", "", ()),
        "What macie-invitations-exporter runs as.",
        "macie-invitations-exporter",
        hub_policy(needs, organization_id),
        trust,
        {"trusted_service": ("Service that runs the exporter", "pods.eks.amazonaws.com")},
    )


def _reader(kind: Kind, needs: Grants, hub: str, organization_id: str) -> _Role:
    """Return one kind of the roles that the exporter assumes."""
    variables = {"hub_principal_arn": ("ARN of the role that the exporter runs as", hub)}
    if kind.external_id:
        variables["external_id"] = ("The exporter's external_id for these roles", "")
    if organization_id:
        variables["organization_id"] = ("Id of the organization", organization_id)
    return _Role(
        "reader",
        kind,
        "Lets macie-invitations-exporter list Macie invitations.",
        "read-invitations",
        member_policy(needs),
        trust_policy,
        variables,
    )


def _cloudformation(role: _Role) -> str:
    """Return a template that makes a role: fit for a service-managed StackSet."""
    names = {name: "".join(map(str.title, name.split("_"))) for name in role.variables}
    parameters = {
        names[name]: {
            "Type": "String",
            "Description": description,
            "MinLength": 1,
            **({"Default": value} if value else {}),
            **({"NoEcho": True} if name == "external_id" else {}),
        }
        for name, (description, value) in role.variables.items()
    }
    trust = role.trust(**{name: {"Ref": parameter} for name, parameter in names.items()})
    properties = {
        "RoleName": role.kind.name,
        "Path": role.kind.path,
        "Description": role.description,
        "AssumeRolePolicyDocument": trust,
        "Policies": [{"PolicyName": role.policy_name, "PolicyDocument": role.policy}],
    }
    resource = f"{role.resource.title()}Role"
    template = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": role.description,
        "Parameters": parameters,
        "Resources": {resource: {"Type": "AWS::IAM::Role", "Properties": properties}},
        "Outputs": {"RoleArn": {"Value": {"Fn::GetAtt": [resource, "Arn"]}}},
    }
    return yaml.safe_dump(template, sort_keys=False, width=100)


def _terraform(role: _Role) -> str:
    """Return a module that makes a role, with what differs as variables."""
    trust = role.trust(**{name: f"${{var.{name}}}" for name in role.variables})
    return "\n".join(
        [
            *(_variable(name, *known) for name, known in role.variables.items()),
            f'resource "aws_iam_role" "{role.resource}" {{',
            f"  name        = {json.dumps(role.kind.name)}",
            f"  path        = {json.dumps(role.kind.path)}",
            f"  description = {json.dumps(role.description)}",
            f"  assume_role_policy = {_jsonencode(trust)}",
            "}\n",
            f'resource "aws_iam_role_policy" "{role.resource}" {{',
            f"  name = {json.dumps(role.policy_name)}",
            f"  role = aws_iam_role.{role.resource}.id",
            f"  policy = {_jsonencode(role.policy)}",
            "}\n",
            f'output "{role.resource}_role_arn" {{',
            f"  value = aws_iam_role.{role.resource}.arn",
            "}\n",
        ]
    )


def _variable(name: str, description: str, value: str) -> str:
    default = [f"  default     = {json.dumps(value)}"] if value else []
    return "\n".join(
        [
            f'variable "{name}" {{',
            "  type        = string",
            f"  description = {json.dumps(description)}",
            *default,
            "}\n",
        ]
    )


def _jsonencode(document: Document) -> str:
    """Return a document as an expression, spaced as `terraform fmt` does."""
    inner = json.dumps(document, indent=2, separators=(",", " : ")).replace("\n", "\n  ")
    return f"jsonencode({inner})"


def _trust(kind: Kind, _: Grants, hub: str, organization_id: str) -> str:
    shown = {"external_id": kind.external_id, "organization_id": organization_id}
    return as_json(trust_policy(hub or UNKNOWN_HUB, **shown))


def _each(of_kind: Callable[[Kind, Grants, str, str], str]) -> Callable[[Grants, str, str], str]:
    """Return a document for each kind of role, where there are several under whose it is."""

    def documents_of(needs: Grants, hub: str, organization_id: str) -> str:
        made = {kind: of_kind(kind, needs, hub, organization_id) for kind in needs.kinds}
        if len(made) == 1:
            return "".join(made.values())
        return "".join(
            "".join(f"# {arn}\n" for arn in kind.arns) + text for kind, text in made.items()
        )

    return documents_of


DOCUMENTS: Mapping[str, Callable[[Grants, str, str], str]] = {
    "hub-policy": lambda needs, _, organization: as_json(hub_policy(needs, organization)),
    "hub-cloudformation": lambda *known: _cloudformation(_hub(*known)),
    "hub-terraform": lambda *known: _terraform(_hub(*known)),
    "member-policy": lambda needs, _, __: as_json(member_policy(needs)),
    "trust-policy": _each(_trust),
    "cloudformation": _each(lambda *known: _cloudformation(_reader(*known))),
    "terraform": _each(lambda *known: _terraform(_reader(*known))),
}
"""What `iam` can print, by name; those about member roles only where there are any."""

OF_EACH_KIND = frozenset({"trust-policy", "cloudformation", "terraform"})
"""Of which there is one for each kind of role: of several kinds, together they are no file."""


def documents(settings: Settings, names: Sequence[str], hub: str, organization_id: str) -> str:
    """Return the named documents, each under its name where there are several."""
    needs = grants(settings)
    wanted = [name for name in names if needs.roles or name.startswith("hub-")]
    texts = {name: DOCUMENTS[name](needs, hub, organization_id) for name in wanted}
    if len(names) == 1:
        return "".join(texts.values())
    return "\n".join(f"# --- {name} ---\n{text}" for name, text in texts.items())
