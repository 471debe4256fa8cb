"""Lists of accounts, units, tags and regions: nested, without end, and answers that are none."""

import json
import tracemalloc
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest

from exporter.aws.organizations import (
    LONGEST_NAME,
    MAX_ACCOUNTS,
    MAX_TAGS,
    MAX_UNITS,
    Organizations,
)
from exporter.model import Account, AwsError, Failure
from tests.aws.conftest import Serve
from tests.aws.rig import ACCOUNT, REGION, Rig, rig
from tests.faulty import FaultyServer, Peer, response, send

ONE, TWO, THREE = (f"00000000000{number}" for number in (1, 2, 3))
T = TypeVar("T")
Page = Mapping[str, object]
Answer = Callable[[int, Mapping[str, Any]], Page]
"""Makes the page of a number, from 1, for what was asked."""

_EMPTY: Page = {"Accounts": [], "OrganizationalUnits": []}


@dataclass
class Aws:
    """What is asked, and the server that answers it page by page."""

    server: FaultyServer
    rig: Rig
    answers: dict[str, Answer] = field(default_factory=dict)
    """By operation; everything else is answered with an empty list."""
    pages: int = 0

    @property
    def organizations(self) -> Organizations:
        """The exporter's side of it."""
        return Organizations(self.rig.client, self.rig.credentials)

    def __call__(self, peer: Peer) -> bool:
        """Answer one request."""
        target = peer.request.headers.get("x-amz-target", peer.request.target.split("?")[0])
        answer = self.answers.get(target.replace("/", ".").rpartition(".")[2])
        self.pages += answer is not None
        asked = json.loads(peer.request.body or "{}")
        body = answer(self.pages, asked) if answer else _EMPTY
        return send(response(json.dumps(body, ensure_ascii=False)))(peer)

    def answer(self, operation: str, answer: Answer | Page) -> None:
        """Have an operation answered so from now on, from the first page."""
        self.answers[operation] = answer if callable(answer) else lambda *_: answer
        self.pages = 0
        self.server.behave(self)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what some work gives, however long that takes. Raises AwsError."""
        return self.rig.runner.run(work)

    def members(self, *units: str) -> list[str]:
        """Return the ids of the members found that are in use. Raises AwsError."""
        found = self.run(self.organizations.members(units))
        return sorted(member.id for member in found if member.is_active)

    def failure(self, work: Coroutine[Any, Any, object]) -> Failure:
        """Return why something could not be had."""
        with pytest.raises(AwsError) as caught:
            self.run(work)
        return caught.value.failure


@pytest.fixture
def aws(serve: Serve) -> Iterator[Aws]:
    """AWS, as a test wants it."""
    server = serve(send(b""))
    with rig() as made:
        yield Aws(server, made)


def accounts(first: int, many: int) -> list[Page]:
    """List so many accounts, each with an id of its own."""
    return [{"Id": f"{number:012d}", "Status": "ACTIVE"} for number in range(first, first + many)]


def malformed(message: str) -> Failure:
    """Return the failure of an answer that is none."""
    return Failure("MalformedResponse", message)


def test_members_of_units_and_of_those_nested_in_them(aws: Aws) -> None:
    """An account under two of the given units counts once; units in a circle are asked once."""
    tree = {"ou-outer": (ONE, "ou-inner"), "ou-inner": (TWO, "ou-outer")}
    key = "OrganizationalUnits"
    aws.answer("ListAccountsForParent", lambda _, asked: {"Accounts": [account(asked, tree)]})
    aws.answer(
        "ListOrganizationalUnitsForParent",
        lambda _, asked: {key: [{"Id": tree[asked["ParentId"]][1]}]},
    )
    for units in (("ou-outer",), ("ou-inner",), ("ou-outer", "ou-inner")):
        assert aws.members(*units) == [ONE, TWO]
    assert aws.pages == 3 * 4


def account(asked: Mapping[str, Any], tree: Mapping[str, Sequence[str]]) -> Page:
    """Return the account of the unit that is asked for."""
    return {"Id": tree[asked["ParentId"]][0], "State": "ACTIVE"}


def test_state_supersedes_the_status_that_aws_retires(aws: Aws) -> None:
    """Accounts count as active by State, by Status where there is no State, and else not.

    The others are listed too: the organization trusts them.
    """
    listed = [
        {"Id": ONE, "State": "ACTIVE"},
        {"Id": TWO, "State": "PENDING_CLOSURE", "Status": "ACTIVE"},
        {"Id": THREE, "Status": "ACTIVE"},
        {"Id": "000000000004"},
    ]
    aws.answer("ListAccounts", {"Accounts": listed})
    assert aws.members() == [ONE, THREE]
    assert len(aws.run(aws.organizations.members(()))) == len(listed)


@pytest.mark.parametrize(
    "listed",
    [
        "none",
        [1],
        [{"Id": "", "Status": "ACTIVE"}],
        [{"Id": "1\ud800", "Status": "ACTIVE"}],
        [{"Id": ONE, "Status": "SUSPENDED"}],
        [{"Id": ONE, "Status": ["ACTIVE"]}],
    ],
    ids=ascii,
)
def test_what_lists_no_active_account_is_no_answer(aws: Aws, listed: object) -> None:
    """Never an empty organization; more of them are rows of the fault matrix."""
    body = json.dumps({"Accounts": listed})
    aws.server.behave(send(response(body)))
    assert aws.failure(aws.organizations.members(())).code == "MalformedResponse"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (5, ""),
        (None, ""),
        ("x" * 1000, "x" * LONGEST_NAME),
        ("half \ud83d a pair", "half ? a pair"),
        ("whole \U0001f600", "whole \U0001f600"),
    ],
    ids=ascii,
)
def test_a_name_that_is_none_costs_no_account(aws: Aws, name: object, shown: str) -> None:
    """What cannot be shown is left out; it would break the metrics and every page."""
    listed = json.dumps({"Accounts": [{"Id": ONE, "Name": name, "Status": "ACTIVE"}]})
    aws.server.behave(send(response(listed)))
    assert [one.name for one in aws.run(aws.organizations.members(()))] == [shown]


def test_regions_are_those_enabled_that_have_macie(aws: Aws) -> None:
    """Disabled ones go, and those without Macie are not listed."""
    listed = {"eu-west-1": "ENABLED_BY_DEFAULT", "me-south-1": "ENABLED", "moon-1": "ENABLED"}
    listed |= {"af-south-1": "DISABLED", "us-east-1": "enabled"}
    regions = [{"RegionName": key, "RegionOptStatus": value} for key, value in listed.items()]
    aws.answer("listRegions", {"Regions": regions})
    assert aws.run(aws.organizations.regions(ACCOUNT)) == ("eu-west-1", "me-south-1")


@pytest.mark.parametrize(
    "listed",
    [
        [],
        [{"RegionName": "eu-west-1", "RegionOptStatus": {}}],
        [{"RegionName": ["eu-west-1"], "RegionOptStatus": "ENABLED"}],
        [{"RegionName": "moon-1", "RegionOptStatus": "ENABLED"}],
    ],
)
def test_an_account_without_any_region_is_no_answer(aws: Aws, listed: object) -> None:
    """It would lose all its targets over it, and nobody would hear of that."""
    aws.answer("listRegions", {"Regions": listed})
    assert aws.failure(aws.organizations.regions(ACCOUNT)).code == "MalformedResponse"


def test_tags_of_all_pages(aws: Aws) -> None:
    """An empty value is one, what is no text nothing; without a key or an end it is no answer."""
    tags: list[Page] = [{"Key": "team", "Value": "payments"}, {"Key": "a", "Value": ""}]

    def answer(number: int, asked: Mapping[str, Any]) -> Page:
        assert asked["ResourceId"] == ONE
        assert asked.get("NextToken") == (None if number == 1 else "more")
        return (
            {"Tags": tags, "NextToken": "more"}
            if number == 1
            else {"Tags": [{"Key": "b", "Value": 7}]}
        )

    aws.answer("ListTagsForResource", answer)
    assert aws.run(aws.organizations.tags(ONE)) == {"team": "payments", "a": "", "b": ""}
    endless = [{"Key": str(number), "Value": ""} for number in range(MAX_TAGS + 1)]
    for listed in ([{"Value": "x"}], ["team"], endless):
        aws.answer("ListTagsForResource", {"Tags": listed})
        assert aws.failure(aws.organizations.tags(ONE)).code == "MalformedResponse"


# -- lists without end -------------------------------------------------------------------------


def test_accounts_without_end_are_refused(aws: Aws) -> None:
    """As many as may be are taken; one more, and discovery fails by name."""
    size, most = 5_000, MAX_ACCOUNTS

    def answer(number: int, _: Mapping[str, Any]) -> Page:
        more = {"NextToken": f"token-{number}"} if number * size < most else {}
        return {"Accounts": accounts(number * size, size), **more}

    aws.server.behave(aws)
    aws.answer("ListAccounts", answer)
    assert len(aws.members()) == MAX_ACCOUNTS
    most += 1
    aws.answer("ListAccounts", answer)
    failed = aws.failure(aws.organizations.members(()))
    assert failed == malformed(f"more than {MAX_ACCOUNTS} accounts")


def test_units_without_end_are_refused(aws: Aws) -> None:
    """Before each of them costs two calls; AWS allows 2,000."""
    size = 4_000

    def answer(number: int, _: Mapping[str, Any]) -> Page:
        units = [{"Id": f"ou-{number}-{unit}"} for unit in range(size)]
        return {"OrganizationalUnits": units, "NextToken": f"token-{number}"}

    aws.answer("ListOrganizationalUnitsForParent", answer)
    failed = aws.failure(aws.organizations.members(("ou-1",)))
    assert failed == malformed(f"more than {MAX_UNITS} units")
    assert aws.pages == 1 + MAX_UNITS // size


Ask = Callable[[Aws], Coroutine[Any, Any, object]]
_ACCOUNTS = {"Accounts": accounts(1, 1)}
LISTS: Mapping[str, tuple[Ask, Page]] = {
    "ListAccounts": (lambda aws: aws.organizations.members(()), _ACCOUNTS),
    "ListAccountsForParent": (lambda aws: aws.organizations.members(("ou-1",)), _ACCOUNTS),
    "ListOrganizationalUnitsForParent": (
        lambda aws: aws.organizations.members(("ou-1",)),
        {"OrganizationalUnits": []},
    ),
    "listRegions": (
        lambda aws: aws.organizations.regions(Account(ONE)),
        {"Regions": [{"RegionName": "eu-west-1", "RegionOptStatus": "ENABLED"}]},
    ),
    "invitations": (lambda aws: aws.rig.macie.read(ACCOUNT, REGION), {"invitations": []}),
}
"""How to ask for each list that AWS gives on pages, and a page of it, by the operation."""

LONGEST = {"invitations": 16_384}
"""Characters of a token, else 100,000."""


def token(operation: str, value: object) -> Page:
    """Return what says that there is another page."""
    return {"nextToken" if operation == "invitations" else "NextToken": value}


@pytest.mark.parametrize("operation", LISTS)
def test_tokens_that_are_none(aws: Aws, operation: str) -> None:
    """What would come after is not known: what is not listed yet would be dropped.

    One may be as long as Organizations documents, or as goes into a URL; one that comes twice is a
    loop, however long the way round is.
    """
    ask, page = LISTS[operation]
    longest = LONGEST.get(operation, 100_000)

    def failed(*tokens: object) -> Failure:
        aws.answer(
            operation, lambda number, _: {**page, **token(operation, tokens[number % len(tokens)])}
        )
        return aws.failure(ask(aws))

    others: Sequence[object] = (False, 0, [], {}, 1, ["t"])
    for value in others:
        assert failed(value).message == "a page token that is no text"
    assert failed("t" * (longest + 1)).message == f"a page token of more than {longest} characters"
    assert failed("a", "b", "c", "d", "e").code == "PaginationLoop"
    assert aws.pages == 6
    half = json.dumps({**page, **token(operation, "\ud800")})
    aws.server.behave(send(response(half)))
    assert aws.failure(ask(aws)).code == "MalformedResponse"


def test_long_tokens_of_many_pages_are_not_kept(aws: Aws) -> None:
    """Ten megabytes of page tokens, one after the other, are never in memory together."""
    longest, pages = 100_000, 100

    def answer(number: int, _: Mapping[str, Any]) -> Page:
        aws.server.requests.clear()
        more = {"NextToken": f"{number:0{longest}d}"} if number < pages else {}
        return {**_ACCOUNTS, **more}

    aws.answer("ListAccounts", _ACCOUNTS)
    aws.members()
    aws.answer("ListAccounts", answer)
    tracemalloc.start()
    try:
        aws.members()
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()
