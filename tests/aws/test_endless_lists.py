"""Lists without end, or too large: they are refused by name, before they fill the memory."""

import asyncio
import json
import random
import tracemalloc
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from typing import Any

import pytest

from exporter.aws.cloud import Cloud
from exporter.aws.organizations import MAX_ACCOUNTS, MAX_UNITS
from exporter.clock import SystemClock
from exporter.model import Account, AwsError, Failure
from tests.aws.conftest import Serve
from tests.aws.rig import Attempts
from tests.faulty import Behaviour, FaultyServer, Peer, response, send

ACCOUNT = "111122223333"
Answer = Callable[[int], Mapping[str, object]]
"""Makes the page of a number, from 1."""


class Clients:
    """AWS clients in a loop that turns while something is asked."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self._runner = runner
        self.cloud = runner.run(self._made())

    async def _made(self) -> Cloud:
        return Cloud(
            clock=SystemClock(),
            observer=Attempts(),
            rng=random.Random(1),
            region=lambda: "eu-west-1",
            step=lambda: 300.0,
        )

    def ask(self, asked: "Ask") -> Any:
        """Return what is answered. Raises AwsError."""
        return self._runner.run(asked(self.cloud))

    def members(self, *units: str) -> Any:
        """List an organization's members."""
        return self.ask(lambda cloud: cloud.organizations.members(units))

    def close(self) -> None:
        """Close every connection."""
        self._runner.run(self.cloud.close())


Ask = Callable[[Cloud], Coroutine[Any, Any, object]]


@pytest.fixture
def cloud(serve: Serve) -> Iterator[tuple[FaultyServer, Clients]]:
    """AWS clients, and the server that they speak to."""
    server = serve(send(b""))
    with asyncio.Runner() as runner:
        made = Clients(runner)
        yield server, made
        made.close()


LISTS: Mapping[str, tuple[Ask, Mapping[str, object]]] = {
    "ListAccounts": (
        lambda cloud: cloud.organizations.members(()),
        {"Accounts": [{"Id": ACCOUNT, "Status": "ACTIVE"}]},
    ),
    "ListAccountsForParent": (
        lambda cloud: cloud.organizations.members(("ou-1",)),
        {"Accounts": [{"Id": ACCOUNT, "Status": "ACTIVE"}]},
    ),
    "ListOrganizationalUnitsForParent": (
        lambda cloud: cloud.organizations.members(("ou-1",)),
        {"OrganizationalUnits": []},
    ),
    "listRegions": (
        lambda cloud: cloud.organizations.regions(Account(ACCOUNT)),
        {"Regions": [{"RegionName": "eu-west-1", "RegionOptStatus": "ENABLED"}]},
    ),
    "invitations": (
        lambda cloud: cloud.macie.read(Account(ACCOUNT), "eu-west-1"),
        {"invitations": []},
    ),
}
"""How to ask for each list that AWS gives on pages, and a page of it, by the operation."""

_WHOLE: Mapping[str, object] = {"Accounts": [], "OrganizationalUnits": []}
"""What is answered to whatever else is asked on the way."""


def answering(operation: str, answer: Answer) -> Behaviour:
    """Answer an operation page by page, and everything else with an empty list."""
    number = 0

    def behave(peer: Peer) -> bool:
        nonlocal number
        target = peer.request.headers.get("x-amz-target", peer.request.target)
        asked = target.rpartition(".")[2] if "." in target else target.partition("?")[0].strip("/")
        if asked != operation:
            return send(response(json.dumps(_WHOLE)))(peer)
        number += 1
        return send(response(json.dumps(answer(number), ensure_ascii=False)))(peer)

    return behave


def failure(ask: Callable[[], object]) -> Failure:
    """Return why a list could not be had."""
    with pytest.raises(AwsError) as caught:
        ask()
    return caught.value.failure


ANSWER = {"ListAccounts": 1_500_000, "invitations": 9_000_000, "listRegions": 9_000_000}
"""Bytes that are in memory at most while a page is read."""


@pytest.mark.parametrize("operation", ["ListAccounts", "invitations"])
def test_long_tokens_of_many_pages_are_not_kept(
    cloud: tuple[FaultyServer, Clients], operation: str
) -> None:
    """Three megabytes of page tokens, one after the other, are never in memory together."""
    server, clients = cloud
    ask, page = LISTS[operation]
    longest = _longest(operation)
    pages = 3_000_000 // longest

    def answer(number: int) -> Mapping[str, object]:
        server.requests.clear()
        more = {_token_key(operation): f"{number:0{longest}d}"} if number < pages else {}
        return {**page, **more}

    server.behave(answering(operation, lambda _: page))
    clients.ask(ask)
    server.behave(answering(operation, answer))
    tracemalloc.start()
    try:
        clients.ask(ask)
        assert tracemalloc.get_traced_memory()[1] < ANSWER[operation] + 1_500_000
    finally:
        tracemalloc.stop()


def _longest(operation: str) -> int:
    return 16_384 if operation == "invitations" else 100_000


def _token_key(operation: str) -> str:
    return "nextToken" if operation == "invitations" else "NextToken"


@pytest.mark.parametrize("operation", LISTS)
def test_tokens_that_are_none(cloud: tuple[FaultyServer, Clients], operation: str) -> None:
    """What would come after is not known: what is not listed yet would be dropped.

    One may be as long as Organizations documents, or as goes into a URL; one that comes twice is a
    loop, however long the way round is.
    """
    server, clients = cloud
    ask, page = LISTS[operation]
    longest = _longest(operation)

    def failed(*tokens: object) -> Failure:
        more = {number: {_token_key(operation): token} for number, token in enumerate(tokens)}
        server.requests.clear()
        server.behave(answering(operation, lambda number: {**page, **more[number % len(tokens)]}))
        return failure(lambda: clients.ask(ask))

    others: Sequence[object] = (False, 0, [], {}, 1, ["t"])
    for token in others:
        assert failed(token).code == "MalformedResponse"
    too_long = failed("t" * longest + "t")
    assert too_long.code == "MalformedResponse"
    assert too_long.message.endswith(f"a page token of more than {longest} characters")
    assert failed("a", "b", "c", "d", "e").code == "PaginationLoop"
    assert len(server.requests) <= 8


def accounts(first: int, many: int, **more: object) -> list[dict[str, object]]:
    """List so many accounts, each with an id of its own."""
    return [
        {"Id": f"{number:012d}", "Status": "ACTIVE", **more}
        for number in range(first, first + many)
    ]


def test_accounts_without_end_are_refused(cloud: tuple[FaultyServer, Clients]) -> None:
    """An organization has at most 200,000 accounts here; one more, and discovery fails by name."""
    server, clients = cloud
    size = 4_000

    def answer(number: int) -> Mapping[str, object]:
        more = {"NextToken": f"token-{number}"} if number < 60 else {}
        return {"Accounts": accounts(number * size, size), **more}

    server.behave(answering("ListAccounts", answer))
    failed = failure(clients.members)
    assert (failed.code, failed.message) == (
        "MalformedResponse",
        f"more than {MAX_ACCOUNTS} accounts",
    )
    assert len(server.requests) == MAX_ACCOUNTS // size + 1


def test_as_many_accounts_as_may_be_are_taken(cloud: tuple[FaultyServer, Clients]) -> None:
    """The last page that still fits is the last page."""
    server, clients = cloud
    size = 5_000

    def answer(number: int) -> Mapping[str, object]:
        more = {"NextToken": f"token-{number}"} if number * size < MAX_ACCOUNTS else {}
        return {"Accounts": accounts(number * size, size), **more}

    server.behave(answering("ListAccounts", answer))
    assert len(clients.members()) == MAX_ACCOUNTS


def test_units_without_end_are_refused(cloud: tuple[FaultyServer, Clients]) -> None:
    """Before each of them costs two calls; AWS allows 2,000."""
    server, clients = cloud
    size = 4_000

    def answer(number: int) -> Mapping[str, object]:
        units = [{"Id": f"ou-{number}-{unit}"} for unit in range(size)]
        return {"OrganizationalUnits": units, "NextToken": f"token-{number}"}

    server.behave(answering("ListOrganizationalUnitsForParent", answer))
    failed = failure(lambda: clients.members("ou-1"))
    assert (failed.code, failed.message) == ("MalformedResponse", f"more than {MAX_UNITS} units")
    assert len(server.requests) == 1 + MAX_UNITS // size + 1


def test_regions_without_end_take_no_memory(cloud: tuple[FaultyServer, Clients]) -> None:
    """Those without Macie, however many are listed, are not kept."""
    server, clients = cloud

    def answer(number: int) -> Mapping[str, object]:
        regions = [
            {"RegionName": f"moon-{number}-{region}" + "x" * 500, "RegionOptStatus": "ENABLED"}
            for region in range(400)
        ]
        more = {"NextToken": f"token-{number}"} if number < 30 else {}
        return {
            "Regions": [*regions, {"RegionName": "eu-west-1", "RegionOptStatus": "ENABLED"}],
            **more,
        }

    server.behave(answering("listRegions", answer))
    tracemalloc.start()
    try:
        assert clients.ask(lambda cloud: cloud.organizations.regions(Account(ACCOUNT))) == (
            "eu-west-1",
        )
        assert tracemalloc.get_traced_memory()[1] < ANSWER["listRegions"] + 2_000_000
    finally:
        tracemalloc.stop()
