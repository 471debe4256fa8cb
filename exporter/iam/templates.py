"""What `iam` prints of policies: as JSON, a CloudFormation template for a StackSet, and Terraform.

Pure: settings in, text out.
"""

import json
from collections.abc import Callable, Mapping, Sequence

import yaml

from exporter.iam.policies import (
    UNKNOWN_HUB,
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


def trust_policies(kind: Kind, _: Grants, hub: str, organization_id: str) -> str:
    """Return the trust of one kind of role."""
    policy = trust_policy(hub, external_id=kind.external_id, organization_id=organization_id)
    return as_json(policy)


def cloudformation(kind: Kind, needs: Grants, hub: str, organization_id: str) -> str:
    """Return a template that makes one kind of role: fit for a service-managed StackSet."""
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
    """Return a module that makes one kind of role, with what differs as variables."""
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
            f"  name        = {json.dumps(kind.name)}",
            f"  path        = {json.dumps(kind.path)}",
            '  description = "Lets macie-invitations-exporter list Macie invitations."',
            f"  assume_role_policy = {_jsonencode(trust)}",
            "}\n",
            'resource "aws_iam_role_policy" "read_invitations" {',
            '  name = "read-invitations"',
            "  role = aws_iam_role.reader.id",
            f"  policy = {_jsonencode(member_policy(needs))}",
            "}\n",
            'output "role_arn" {',
            "  value = aws_iam_role.reader.arn",
            "}\n",
        ]
    )


_SERVICE, _ROLE = "pods.eks.amazonaws.com", "macie-exporter"
"""Who runs as the hub's role, and what it is called, where nobody says otherwise."""


def _hub_trust(service: object) -> Document:
    """Return the trust of the hub's role; EKS Pod Identity tags its sessions."""
    allowed = {"Effect": "Allow", "Principal": {"Service": service}}
    allowed |= {"Action": ["sts:AssumeRole", "sts:TagSession"]}
    return {"Version": "2012-10-17", "Statement": [allowed]}


def _hub_name(hub: str) -> str:
    return hub.rpartition("/")[2] if "/" in hub and hub != UNKNOWN_HUB else _ROLE


def hub_cloudformation(needs: Grants, hub: str, organization_id: str) -> str:
    """Return a template that makes the exporter's own role."""
    service = _parameter("Service that runs the exporter", _SERVICE)
    policy = hub_policy(needs, organization_id)
    properties = {
        "RoleName": _hub_name(hub),
        "Description": "What macie-invitations-exporter runs as.",
        "AssumeRolePolicyDocument": _hub_trust({"Ref": "TrustedService"}),
        "Policies": [{"PolicyName": "macie-invitations-exporter", "PolicyDocument": policy}],
    }
    template = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "The role that macie-invitations-exporter runs as.",
        "Parameters": {"TrustedService": service},
        "Resources": {"HubRole": {"Type": "AWS::IAM::Role", "Properties": properties}},
        "Outputs": {"RoleArn": {"Value": {"Fn::GetAtt": ["HubRole", "Arn"]}}},
    }
    return yaml.safe_dump(template, sort_keys=False, width=100)


def hub_terraform(needs: Grants, hub: str, organization_id: str) -> str:
    """Return a module that makes the exporter's own role."""
    trust = _hub_trust("${var.trusted_service}")
    return "\n".join(
        [
            _variable("trusted_service", "Service that runs the exporter", _SERVICE),
            'resource "aws_iam_role" "hub" {',
            f"  name        = {json.dumps(_hub_name(hub))}",
            '  description = "What macie-invitations-exporter runs as."',
            f"  assume_role_policy = {_jsonencode(trust)}",
            "}\n",
            'resource "aws_iam_role_policy" "hub" {',
            '  name = "macie-invitations-exporter"',
            "  role = aws_iam_role.hub.id",
            f"  policy = {_jsonencode(hub_policy(needs, organization_id))}",
            "}\n",
            'output "hub_role_arn" {',
            "  value = aws_iam_role.hub.arn",
            "}\n",
        ]
    )


def _each(of_kind: Callable[[Kind, Grants, str, str], str]) -> Callable[[Grants, str, str], str]:
    """Return a document for each kind of role, under the roles that it is for."""

    def documents_of(needs: Grants, hub: str, organization_id: str) -> str:
        return "".join(
            "".join(f"# {arn}\n" for arn in kind.arns) + of_kind(kind, needs, hub, organization_id)
            for kind in needs.kinds
        )

    return documents_of


DOCUMENTS: Mapping[str, Callable[[Grants, str, str], str]] = {
    "hub-policy": lambda needs, _, organization: as_json(hub_policy(needs, organization)),
    "hub-cloudformation": hub_cloudformation,
    "hub-terraform": hub_terraform,
    "member-policy": lambda needs, _, __: as_json(member_policy(needs)),
    "trust-policy": _each(trust_policies),
    "cloudformation": _each(cloudformation),
    "terraform": _each(terraform),
}
"""What `iam` can print, by name; those about member roles only where there are any."""


def documents(settings: Settings, names: Sequence[str], hub: str, organization_id: str) -> str:
    """Return the named documents, each under its name where there are several."""
    needs = grants(settings)
    wanted = [name for name in names if needs.roles or name.startswith("hub-")]
    texts = {name: DOCUMENTS[name](needs, hub or UNKNOWN_HUB, organization_id) for name in wanted}
    if len(names) == 1:
        return "".join(texts.values())
    return "\n".join(f"# --- {name} ---\n{text}" for name, text in texts.items())


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
    """Return a document as an expression, spaced as `terraform fmt` does."""
    inner = json.dumps(document, indent=2, separators=(",", " : ")).replace("\n", "\n  ")
    return f"jsonencode({inner})"
