"""The documents that `iam` prints: read as a person would paste them, and linted."""

import io
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.commands import Process, main
from exporter.commands.parser import parser_of
from exporter.iam import policies
from exporter.iam.templates import DOCUMENTS, documents
from exporter.settings import Settings

HUB = "arn:aws:iam::100000000000:role/team/exporter"
ORGANIZATION = "o-abcdefghij"
READER = "macie-invitations-reader"
FIRST = f"arn:aws:iam::000000000001:role/{READER}"
OTHER = "arn:aws:iam::000000000002:role/other"


def settings(**aws: Any) -> Settings:
    """Return settings with some under `aws`."""
    return Settings.model_validate({"aws": aws})


def printed(configured: Settings, *names: str, organization_id: str = "") -> str:
    """Return what `iam` prints."""
    return documents(configured, names, HUB, organization_id)


STATIC = settings(
    regions=["eu-west-1"],
    accounts=[
        {"id": "000000000001", "role_name": READER, "external_id": "shown"},
        {"id": "000000000002", "role_arn": OTHER},
    ],
)
ORGANIZED = settings(
    regions="auto", organization={"role_name": f"security/{READER}", "external_id": "shown"}
)
UNITS = settings(organization={"role_name": READER, "include_ous": ["ou-ab12-cdefghij"]})
OPTED_IN = Settings.model_validate(
    {
        "aws": {"organization": {"role_name": READER, "include_ous": ["ou-ab12-cdefghij"]}},
        "metrics": {
            "trust_organization": True,
            "account_labels": ["team"],
            "administrator": {"enabled": True},
        },
    }
)


def test_the_threat_model_names_what_is_needed() -> None:
    """No action more and none less than all policies of all configurations together."""
    every = (ORGANIZED, UNITS, OPTED_IN)
    asked = "".join(printed(each, "hub-policy", "member-policy") for each in every)
    page = (Path(__file__).parents[2] / "SECURITY.md").read_text()
    table = page.partition("## What it needs")[2].partition("`sts:GetCallerIdentity`")[0]
    action = re.compile(r"\b[a-z0-9]+:[A-Z]\w+")
    assert set(action.findall(table)) == set(action.findall(asked))


ASSUME = f"AssumeMemberRoles: sts:AssumeRole on arn:aws:iam::*:role/{READER}"
TAGS = "organizations:ListTagsForResource"
IN_UNITS = "organizations:ListAccountsForParent organizations:ListOrganizationalUnitsForParent"


LIST, ADMINISTRATOR = "macie2:ListInvitations", "macie2:GetAdministratorAccount"
NEEDED: Mapping[str, tuple[Settings, list[str], str]] = {
    "own credentials": (settings(), [], LIST),
    "static roles": (STATIC, [f"AssumeMemberRoles: sts:AssumeRole on {FIRST} {OTHER}"], LIST),
    "organization": (
        ORGANIZED,
        [
            f"AssumeMemberRoles: sts:AssumeRole on arn:aws:iam::*:role/security/{READER}",
            "DiscoverAccounts: organizations:ListAccounts on *",
        ],
        f"{LIST} account:ListRegions",
    ),
    "units": (UNITS, [ASSUME, f"DiscoverAccounts: {IN_UNITS} on *"], LIST),
    "opted in": (
        OPTED_IN,
        [ASSUME, f"DiscoverAccounts: organizations:ListAccounts {IN_UNITS} {TAGS} on *"],
        f"{LIST} {ADMINISTRATOR}",
    ),
}
"""A configuration, what finds and assumes its accounts, and what each of them is asked."""


@pytest.mark.parametrize("name", NEEDED)
def test_policies(name: str) -> None:
    """What is configured is called, what is called is allowed, and nothing else.

    The exporter's own account is asked but where all have roles, members where there are any.
    """
    configured, finds, asks = NEEDED[name]
    policy = json.loads(printed(configured, "hub-policy"))
    assert policy["Version"] == "2012-10-17"
    own = [] if configured is STATIC else [f"ReadOwnInvitations: {asks} on *"]
    assert [said(each) for each in policy["Statement"]] == finds + own
    text = printed(configured, "member-policy")
    members = [said(each) for each in json.loads(text)["Statement"]] if text else []
    assert members == ([f"ReadInvitations: {asks} on *"] if finds else [])


def said(statement: dict[str, Any]) -> str:
    """Say a statement that allows something, in a line."""
    sid, effect, actions, resources = statement.values()
    assert ([*statement], effect) == (["Sid", "Effect", "Action", "Resource"], "Allow")
    actions, resources = (
        each if isinstance(each, str) else " ".join(each) for each in (actions, resources)
    )
    return f"{sid}: {actions} on {resources}"


def test_the_hub_as_a_template_and_as_a_module() -> None:
    """Its name is the given one, its policy that of `hub-policy`, and EKS Pod Identity runs it.

    It stays in an organization that is known: a role of another is none to assume, whatever it is
    called.
    """
    policy = json.loads(printed(ORGANIZED, "hub-policy", organization_id=ORGANIZATION))
    conditions = [each.get("Condition") for each in policy["Statement"]]
    assert conditions == [{"StringEquals": {"aws:ResourceOrgID": ORGANIZATION}}, None, None]
    text = printed(ORGANIZED, "hub-cloudformation", organization_id=ORGANIZATION)
    template = yaml.safe_load(text)
    role = template["Resources"]["HubRole"]["Properties"]
    assert (role["RoleName"], role["Path"]) == ("exporter", "/team/")
    assert role["Policies"][0]["PolicyDocument"] == policy
    assert template["Parameters"]["TrustedService"]["Default"] == "pods.eks.amazonaws.com"
    module = printed(ORGANIZED, "hub-terraform", organization_id=ORGANIZATION)
    assert '  name        = "exporter"' in module
    inner = module.partition("  policy = jsonencode(")[2].partition(")\n}")[0]
    assert json.loads(inner) == policy


def test_trust_policies_are_one_for_each_external_id() -> None:
    """Each under the roles that need it, and without a condition that nothing asked for."""
    ids = ["000000000001", "000000000002", "000000000003"]
    one, two = ({"role_name": READER, **more} for more in ({"external_id": "shown"}, {}))
    accounts = [{"id": each, **(two if each == ids[1] else one)} for each in ids]
    text = printed(settings(accounts=accounts), "trust-policy")
    assert text == (
        f"# {FIRST}\n# arn:aws:iam::000000000003:role/{READER}\n"
        + trust({"sts:ExternalId": "shown"})
        + f"# arn:aws:iam::000000000002:role/{READER}\n"
        + trust({})
    )
    text = printed(settings(accounts=accounts[1:2]), "trust-policy", organization_id=ORGANIZATION)
    assert text == trust({"aws:PrincipalOrgID": ORGANIZATION})


def trust(conditions: dict[str, str]) -> str:
    """Return a trust policy as text."""
    statement: dict[str, Any] = {
        "Sid": "LetTheExporterIn",
        "Effect": "Allow",
        "Principal": {"AWS": HUB},
        "Action": "sts:AssumeRole",
    }
    if conditions:
        statement["Condition"] = {"StringEquals": conditions}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, indent=2) + "\n"


def templates(text: str) -> list[str]:
    """Take the templates of several kinds of role apart."""
    head = "AWSTemplateFormatVersion"
    return [f"{head}{rest}" for rest in text.split(head)[1:]]


def test_each_kind_of_role_has_a_template_of_its_own(tmp_path: Path) -> None:
    """A role without external id is not made to ask for one, nor one with another's name made.

    Name and path are as the exporter asks for them; what differs between accounts is a parameter.
    CloudFormation's linter has nothing against them, nor against the hub's.
    """
    static = printed(STATIC, "cloudformation")
    assert static.startswith(f"# {FIRST}\nAWSTemplate")
    of_members = [
        *templates(static),
        printed(ORGANIZED, "cloudformation", organization_id=ORGANIZATION),
    ]
    assert "shown" not in "".join(of_members)
    made = []
    for template in map(yaml.safe_load, of_members):
        role = template["Resources"].pop("ReaderRole")["Properties"]
        assert not template["Resources"]
        asked = template["Parameters"]
        made.append((role["Path"] + role["RoleName"], list(asked)))
        assert [name for name in asked if "NoEcho" in asked[name]] == [
            *{"ExternalId"} & asked.keys()
        ]
    assert made == [
        (f"/{READER}", ["HubPrincipalArn", "ExternalId"]),
        ("/other", ["HubPrincipalArn"]),
        (f"/security/{READER}", ["HubPrincipalArn", "ExternalId", "OrganizationId"]),
    ]
    hub = printed(ORGANIZED, "hub-cloudformation", organization_id=ORGANIZATION)
    files = [tmp_path / f"{number}.yaml" for number in range(4)]
    for file, text in zip(files, [*of_members, hub], strict=True):
        file.write_text(text)
    lint = [Path(sys.executable).with_name("cfn-lint"), *files]
    done = subprocess.run(lint, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_terraform_as_a_reader_checks_it() -> None:
    """The whole module, literally."""
    one = settings(accounts=[{"id": "000000000001", "role_name": READER, "external_id": "shown"}])
    module = Path(__file__).with_name("reader.tf").read_text()
    assert printed(one, "terraform") == module


def run(*words: str) -> tuple[int, str, str]:
    """Run the command; return its exit code and what it writes."""
    out, err = io.StringIO(), io.StringIO()
    code = main(["iam", *words], Process({"AWS_REGION": "eu-west-1"}, out, err))
    return code, out.getvalue(), err.getvalue()


def test_an_unknown_hub_is_named_so() -> None:
    """Where nobody said who the exporter runs as, the place to fill in can be seen."""
    role = "--aws.organization.role-name=reader"
    assert policies.UNKNOWN_HUB in run(role, "--document=trust-policy")[1]
    template = yaml.safe_load(run(role, "--document=cloudformation")[1])
    assert "Default" not in template["Parameters"]["HubPrincipalArn"]


def test_the_command() -> None:
    """One document by name, by default each under its name, and an unknown name refused.

    Without roles there is only the exporter's own.
    """
    flags = ("--aws.organization.role-name=reader", f"--hub-principal={HUB}")
    code, out, _ = run(*flags, "--document=member-policy")
    assert (code, json.loads(out)["Statement"][0]["Sid"]) == (0, "ReadInvitations")
    own = ["hub-policy", "hub-cloudformation", "hub-terraform"]
    for words, names in (((*flags, f"--organization-id={ORGANIZATION}"), [*DOCUMENTS]), ((), own)):
        code, out, _ = run(*words)
        assert (code, ORGANIZATION in out) == (0, words != ())
        assert re.findall("^# --- (.+) ---$", out, re.MULTILINE) == names
    code, _, err = run("--document=everything")
    assert (code, "must be hub-policy, hub-cloudformation" in err) == (2, True)
    told = parser_of("iam").format_help().replace(",", "").replace(".", "").split()
    assert DOCUMENTS.keys() <= {*told}


DIFFERENT = json.dumps(
    [
        {"id": f"{number:012d}", "role_name": READER, "external_id": "ab"[number == 5]}
        for number in range(1, 6)
    ],
    separators=(",", ":"),
)
DIFFERING = f"""\
one does not fit all roles, which differ in external_id: configure those of one kind at a time, or \
leave --document out to read one for each
  {", ".join(FIRST.replace("1:", f"{each}:") for each in (1, 2, 3))} and 1 more, with an \
external_id of their own
  {FIRST.replace("1:", "5:")}, with an external_id of their own
"""


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("--hub-principal=exporter", "--hub-principal = exporter: must be like arn:aws:iam::"),
        ("--hub-principal=*", "--hub-principal = *: must be like arn:aws:iam::"),
        ("--organization-id=r-ab12", "--organization-id = r-ab12: must be like o-"),
        ("--document=trust-policy", "--document = trust-policy: no role is assumed: configure"),
        *(
            (f"--document={name} --aws.accounts={DIFFERENT}", f"--document = {name}: {DIFFERING}")
            for name in ("cloudformation", "terraform", "trust-policy")
        ),
    ],
)
def test_what_would_let_nobody_in_or_print_nothing_is_refused(words: str, line: str) -> None:
    """A policy that IAM takes, and that is of no use, is found out only much later.

    Nor are several templates, one after the other, a file.
    """
    code, out, err = run(*words.split())
    assert (code, out, err[: len(line)]) == (2, "", line)
