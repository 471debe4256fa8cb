"""Lists of accounts, units, tags and regions: nested, without end, and answers that are none."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping
from operator import methodcaller
from typing import Any

import pytest

from exporter.aws.client import pages
from exporter.aws.organizations import Organizations
from exporter.model import AwsError, Failure, Member
from tests.aws.rig import ACCOUNT, REGION, Stage
from tests.faults.bounds import bounded
from tests.faulty import Peer, response, send

ONE, TWO, THREE, FOUR = (f"00000000000{number}" for number in (1, 2, 3, 4))
Page = Mapping[str, object]
Answer = Callable[[int, Mapping[str, Any]], Page]
"""Makes the page of a number, from 1, for what was asked."""
Ask = Callable[[Any], Coroutine[Any, Any, Any]]

MEMBERS, IN_A_UNIT = methodcaller("members", ()), methodcaller("members", ("ou-1",))
REGIONS, TAGS = methodcaller("regions", ACCOUNT), methodcaller("tags", ONE)
INVITATIONS = methodcaller("read", ACCOUNT, REGION)


class Aws:
    """Organizations and Account as a test wants them, and the exporter's side of them."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.answers, self.pages = stage, dict[str, Answer](), 0
        self.organizations = Organizations(stage.rig.client, stage.rig.credentials)

    def says(self, **answers: Answer | Page) -> None:
        """Have operations answered so from now on, from the first page; others list nothing."""
        self.answers = {
            name: answer if callable(answer) else lambda *_, page=answer: page
            for name, answer in answers.items()
        }
        self.pages = 0
        self.stage.play(self)

    def __call__(self, peer: Peer) -> bool:
        """Answer one request."""
        target = peer.request.headers.get("x-amz-target", peer.request.target.split("?")[0])
        answer = self.answers.get(target.replace("/", ".").rpartition(".")[2])
        self.pages += answer is not None
        asked = json.loads(peer.request.body or "{}")
        page = answer(self.pages, asked) if answer else {"Accounts": [], "OrganizationalUnits": []}
        return send(response(json.dumps(page)))(peer)

    def had(self, ask: Ask) -> Any:
        """Return what is asked for, however long that takes. Raises AwsError."""
        made = self.stage.rig
        return made.runner.run(ask(made.macie if ask is INVITATIONS else self.organizations))

    def refused(self, ask: Ask) -> Failure:
        """Return why something could not be had."""
        with pytest.raises(AwsError) as caught:
            self.had(ask)
        return caught.value.failure


@pytest.fixture
def aws(patient: Stage) -> Aws:
    """AWS, as a test wants it."""
    return Aws(patient)


def test_members_of_units_and_of_those_nested_in_them(aws: Aws) -> None:
    """An account under two of the given units counts once; units in a circle are asked once."""
    tree = {"ou-outer": (ONE, "ou-inner"), "ou-inner": (TWO, "ou-outer")}
    aws.says(
        ListAccountsForParent=lambda _, asked: {
            "Accounts": [{"Id": tree[asked["ParentId"]][0], "State": "ACTIVE"}]
        },
        ListOrganizationalUnitsForParent=lambda _, asked: {
            "OrganizationalUnits": [{"Id": tree[asked["ParentId"]][1]}]
        },
    )
    for units in (("ou-outer",), ("ou-inner",), tuple(tree)):
        found = aws.had(methodcaller("members", units))
        assert {member.id for member in found} == {ONE, TWO}
    assert aws.pages == 3 * 4


def test_members_as_they_are_listed(aws: Aws) -> None:
    """Active by State, by Status, which AWS retires, where there is no State, and else not.

    Those that are not are members too: the organization trusts them. What cannot be shown of a name
    is left out, since it would break the metrics and every page, and costs no account.
    """
    listed = [
        {"Id": ONE, "Name": "x" * 1000, "State": "ACTIVE"},
        {"Id": TWO, "Name": 5, "State": "PENDING_CLOSURE", "Status": "ACTIVE"},
        {"Id": THREE, "Name": "half \ud83d a pair", "Status": "ACTIVE"},
        {"Id": FOUR, "Name": "whole \U0001f600"},
    ]
    aws.says(ListAccounts={"Accounts": listed})
    assert aws.had(MEMBERS) == (
        Member(ONE, "x" * 50, is_active=True),
        Member(TWO, "", is_active=False),
        Member(THREE, "half ? a pair", is_active=True),
        Member(FOUR, "whole \U0001f600", is_active=False),
    )


def test_regions_are_those_enabled_that_have_macie(aws: Aws) -> None:
    """Disabled ones go, and those without Macie are not listed."""
    listed = {"eu-west-1": "ENABLED_BY_DEFAULT", "me-south-1": "ENABLED", "moon-1": "ENABLED"}
    listed |= {"af-south-1": "DISABLED", "us-east-1": "enabled"}
    items = [{"RegionName": key, "RegionOptStatus": value} for key, value in listed.items()]
    aws.says(listRegions={"Regions": items})
    assert aws.had(REGIONS) == ("eu-west-1", "me-south-1")


def test_tags_of_all_pages(aws: Aws) -> None:
    """An empty value is one, and what is no text is empty."""

    def answer(number: int, asked: Mapping[str, Any]) -> Page:
        assert asked["ResourceId"] == ONE
        assert asked.get("NextToken") == (None if number == 1 else "more")
        listed = [{"Key": "team", "Value": "payments"}, {"Key": "a", "Value": ""}]
        last: Page = {"Tags": [{"Key": "b", "Value": 7}]}
        return {"Tags": listed, "NextToken": "more"} if number == 1 else last

    aws.says(ListTagsForResource=answer)
    assert aws.had(TAGS) == {"team": "payments", "a": "", "b": ""}


_ON = {"RegionOptStatus": "ENABLED"}
NO_ANSWERS: Mapping[str, tuple[Ask, Page]] = {
    "no account": (MEMBERS, {"Accounts": [1]}),
    "no region": (REGIONS, {"Regions": []}),
    "no status": (REGIONS, {"Regions": [{"RegionName": REGION, "RegionOptStatus": {}}]}),
    "no name of a region": (REGIONS, {"Regions": [{"RegionName": [REGION], **_ON}]}),
    "no region with Macie": (REGIONS, {"Regions": [{"RegionName": "moon-1", **_ON}]}),
    "no tag": (TAGS, {"Tags": ["team"]}),
    "no key of a tag": (TAGS, {"Tags": [{"Value": "x"}]}),
    "too many tags": (TAGS, {"Tags": [{"Key": f"{each}"} for each in range(1_001)]}),
}
"""What is asked for, and what is answered."""


@pytest.mark.parametrize("name", NO_ANSWERS)
def test_what_lists_nothing_is_no_answer(aws: Aws, name: str) -> None:
    """All targets would be lost over it; more of an organization's are rows of the fault matrix."""
    ask, page = NO_ANSWERS[name]
    aws.says(ListAccounts=page, listRegions=page, ListTagsForResource=page)
    assert aws.refused(ask).code == "MalformedResponse"


# -- lists without end -------------------------------------------------------------------------


@pytest.mark.parametrize("more", [0, 1])
def test_accounts_without_end_are_refused(aws: Aws, more: int) -> None:
    """As many as may be are taken; one more, and discovery fails by name."""
    most, size = 200_000 + more, 5_000

    def answer(number: int, _: Mapping[str, Any]) -> Page:
        ids = range((number - 1) * size, min(number * size, most))
        listed = [{"Id": f"{each:012d}", "Status": "ACTIVE"} for each in ids]
        return {"Accounts": listed, **({"NextToken": f"t{number}"} if ids.stop < most else {})}

    aws.says(ListAccounts=answer)
    if more:
        failure = aws.refused(MEMBERS)
        assert failure == Failure("MalformedResponse", "more than 200000 accounts")
    else:
        assert len(aws.had(MEMBERS)) == most


def test_units_without_end_are_refused(aws: Aws) -> None:
    """Before each of them costs two calls; AWS allows 2,000."""

    def answer(number: int, _: Mapping[str, Any]) -> Page:
        units = [{"Id": f"ou-{number}-{unit}"} for unit in range(4_000)]
        return {"OrganizationalUnits": units, "NextToken": f"t{number}"}

    aws.says(ListOrganizationalUnitsForParent=answer)
    assert aws.refused(IN_A_UNIT) == Failure("MalformedResponse", "more than 10000 units")
    assert aws.pages == 3


_ACCOUNTS = {"Accounts": [{"Id": ONE, "Status": "ACTIVE"}]}
LISTS: Mapping[str, tuple[Ask, Page]] = {
    "ListAccounts": (MEMBERS, _ACCOUNTS),
    "ListAccountsForParent": (IN_A_UNIT, _ACCOUNTS),
    "ListOrganizationalUnitsForParent": (IN_A_UNIT, {"OrganizationalUnits": []}),
    "ListTagsForResource": (TAGS, {"Tags": []}),
    "listRegions": (
        REGIONS,
        {"Regions": [{"RegionName": "eu-west-1", "RegionOptStatus": "ENABLED"}]},
    ),
    "invitations": (INVITATIONS, {"invitations": []}),
}
"""How to ask for each list that AWS gives on pages, and a page of it, by the operation."""


@pytest.mark.parametrize("operation", LISTS)
def test_tokens_that_are_none(aws: Aws, operation: str) -> None:
    """What would come after is not known: what is not listed yet would be dropped.

    One may be as long as Organizations documents, or as goes into a URL; one that comes twice is a
    loop, however long the way round is.
    """
    ask, page = LISTS[operation]
    name, longest = "NextToken", 100_000
    if operation == "invitations":
        name, longest = "nextToken", 16_384

    def failed(*tokens: object) -> Failure:
        aws.says(
            **{operation: lambda number, _: {**page, name: tokens[(number - 1) % len(tokens)]}}
        )
        return aws.refused(ask)

    others: tuple[object, ...] = (False, 0, [], {}, 1, ["t"], "\ud800")
    for value in others:
        assert failed(value).message == "a page token that is no text"
    assert failed("t" * longest, "t" * (longest + 1)).message == (
        f"a page token of more than {longest} characters"
    )
    assert failed("a", "b", "c", "d", "e").code == "PaginationLoop"
    assert aws.pages == 6


def test_a_list_has_an_end() -> None:
    """At 20,000 pages, each with another token; those are not kept, however long they are."""
    asked = 0

    async def call(**_: object) -> Page:
        nonlocal asked
        asked += 1
        return {"token": f"{asked:01000d}", "ResponseMetadata": {"RequestId": ""}}

    async def read() -> int:
        return len([page async for page in pages(call, len, "token", {})])

    with bounded(), pytest.raises(AwsError, match="more than 20000 pages"):
        asyncio.run(read())
    assert asked == 20_000
