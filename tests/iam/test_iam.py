"""The documents that `iam` prints: read as a person would paste them, and linted."""

import io
import json
import re
import subprocess
import sys
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


@pytest.mark.parametrize(
    ("configured", "expected"),
    [
        (settings(), ["ReadOwnInvitations: macie2:ListInvitations on *"]),
        (
            STATIC,
            [f"AssumeMemberRoles: sts:AssumeRole on {FIRST} {OTHER}"],
        ),
        (
            ORGANIZED,
            [
                f"AssumeMemberRoles: sts:AssumeRole on arn:aws:iam::*:role/security/{READER}",
                "DiscoverAccounts: organizations:ListAccounts on *",
                "ReadOwnInvitations: macie2:ListInvitations account:ListRegions on *",
            ],
        ),
        (
            UNITS,
            [
                ASSUME,
                f"DiscoverAccounts: {IN_UNITS} on *",
                "ReadOwnInvitations: macie2:ListInvitations on *",
            ],
        ),
        (
            OPTED_IN,
            [
                ASSUME,
                f"DiscoverAccounts: organizations:ListAccounts {IN_UNITS} {TAGS} on *",
                "ReadOwnInvitations: macie2:ListInvitations macie2:GetAdministratorAccount on *",
            ],
        ),
    ],
    ids=["own credentials", "static roles", "organization", "units", "opted in"],
)
def test_hub_policy(configured: Settings, expected: list[str]) -> None:
    """What is configured is called, what is called is allowed, and nothing else."""
    policy = json.loads(printed(configured, "hub-policy"))
    assert policy["Version"] == "2012-10-17"
    assert [said(each) for each in policy["Statement"]] == expected


def said(statement: dict[str, Any]) -> str:
    """Say a statement that allows something, in a line."""
    sid, effect, actions, resources = statement.values()
    assert ([*statement], effect) == (["Sid", "Effect", "Action", "Resource"], "Allow")
    actions, resources = (
        each if isinstance(each, str) else " ".join(each) for each in (actions, resources)
    )
    return f"{sid}: {actions} on {resources}"


def test_the_hub_stays_in_an_organization_that_is_known() -> None:
    """A role of another organization is none to assume, whatever it is called."""
    text = printed(ORGANIZED, "hub-policy", organization_id=ORGANIZATION)
    assume, *others = json.loads(text)["Statement"]
    assert assume["Condition"] == {"StringEquals": {"aws:ResourceOrgID": ORGANIZATION}}
    assert all("Condition" not in each for each in others)


def test_the_hub_as_a_template_and_as_a_module() -> None:
    """Its name is the given one, its policy that of `hub-policy`, and EKS Pod Identity runs it."""
    policy = json.loads(printed(ORGANIZED, "hub-policy", organization_id=ORGANIZATION))
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


@pytest.mark.parametrize(
    ("configured", "actions"),
    [
        (STATIC, "macie2:ListInvitations"),
        (ORGANIZED, "macie2:ListInvitations account:ListRegions"),
        (OPTED_IN, "macie2:ListInvitations macie2:GetAdministratorAccount"),
    ],
    ids=["regions configured", "regions: auto", "administrator"],
)
def test_member_policy(configured: Settings, actions: str) -> None:
    """What is asked for in each account, and nothing else."""
    (only,) = json.loads(printed(configured, "member-policy"))["Statement"]
    assert said(only) == f"ReadInvitations: {actions} on *"


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


def test_each_kind_of_role_has_a_template_of_its_own() -> None:
    """A role without external id is not made to ask for one, nor one with another's name made.

    Name and path are as the exporter asks for them; what differs between accounts is a parameter.
    """
    text = printed(STATIC, "cloudformation")
    text += printed(ORGANIZED, "cloudformation", organization_id=ORGANIZATION)
    made = []
    for template in map(yaml.safe_load, templates(text)):
        role = template["Resources"].pop("ReaderRole")["Properties"]
        assert not template["Resources"]
        made.append((role["Path"] + role["RoleName"], list(template["Parameters"])))
    assert made == [
        (f"/{READER}", ["HubPrincipalArn", "ExternalId"]),
        ("/other", ["HubPrincipalArn"]),
        (f"/security/{READER}", ["HubPrincipalArn", "ExternalId", "OrganizationId"]),
    ]
    assert text.startswith(f"# {FIRST}\nAWSTemplate")
    assert "shown" not in text


def test_cloudformation_passes_its_linter(tmp_path: Path) -> None:
    """The hub's, and members' with and without ExternalId and organization."""
    texts = [
        *templates(printed(STATIC, "cloudformation")),
        *templates(printed(ORGANIZED, "cloudformation", organization_id=ORGANIZATION)),
        printed(ORGANIZED, "hub-cloudformation", organization_id=ORGANIZATION),
    ]
    files = [tmp_path / f"{number}.yaml" for number in range(4)]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text)
    lint = [Path(sys.executable).with_name("cfn-lint"), *files]
    done = subprocess.run(lint, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_terraform_as_a_reader_checks_it() -> None:
    """The whole module, literally."""
    one = settings(accounts=[{"id": "000000000001", "role_name": READER, "external_id": "shown"}])
    module = Path(__file__).with_name("reader.tf").read_text()
    assert printed(one, "terraform") == module


@pytest.mark.parametrize(
    ("configured", "names"),
    [
        (STATIC, [*DOCUMENTS]),
        (settings(), ["hub-policy", "hub-cloudformation", "hub-terraform"]),
    ],
    ids=["roles", "own credentials"],
)
def test_everything_at_once(configured: Settings, names: list[str]) -> None:
    """Each document under its name; without roles there is only the exporter's own."""
    lines = printed(configured, *DOCUMENTS).splitlines()
    assert [line for line in lines if line.startswith("# ---")] == [
        f"# --- {name} ---" for name in names
    ]


def test_an_unknown_hub_is_named_so() -> None:
    """Where nobody said who the exporter runs as, the place to fill in can be seen."""
    text = documents(STATIC, ["trust-policy"], "", "")
    assert policies.UNKNOWN_HUB in text
    template = yaml.safe_load(templates(documents(STATIC, ["cloudformation"], "", ""))[0])
    assert "Default" not in template["Parameters"]["HubPrincipalArn"]


def test_the_command() -> None:
    """One document by name, everything by default, and an unknown name refused."""
    out, err = io.StringIO(), io.StringIO()
    world = Process({"AWS_REGION": "eu-west-1"}, out, err)
    flags = ["--aws.organization.role-name=reader", f"--hub-principal={HUB}"]
    assert main(["iam", *flags, "--document=member-policy"], world) == 0
    assert json.loads(out.getvalue())["Statement"][0]["Sid"] == "ReadInvitations"
    assert main(["iam", *flags, f"--organization-id={ORGANIZATION}"], world) == 0
    assert ORGANIZATION in out.getvalue()
    assert main(["iam", "--document=everything"], world) == 2
    assert "must be hub-policy, hub-cloudformation" in err.getvalue()
    words = parser_of("iam").format_help().replace(",", "").replace(".", "").split()
    assert DOCUMENTS.keys() <= {*words}


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
    out, err = io.StringIO(), io.StringIO()
    assert main(["iam", *words.split()], Process({"AWS_REGION": "eu-west-1"}, out, err)) == 2
    assert err.getvalue().startswith(line)
    assert not out.getvalue()
