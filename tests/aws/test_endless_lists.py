"""Lists without end, or too large: they are refused by name, before they fill the memory."""

import json
import random
import tracemalloc
from collections.abc import Callable, Iterator, Mapping

import pytest
from exporter.aws.directory import MAX_ACCOUNTS, MAX_UNITS

from exporter.aws.cloud import Cloud
from exporter.clock import Stop, SystemClock
from exporter.model import Account, AwsError, Failure
from tests.aws.conftest import Serve
from tests.aws.rig import Attempts
from tests.faulty import Behaviour, FaultyServer, Peer, response, send

ACCOUNT = "111122223333"
Answer = Callable[[int], Mapping[str, object]]
"""Makes the page of a number, from 1."""


@pytest.fixture
def cloud(serve: Serve) -> Iterator[tuple[FaultyServer, Cloud]]:
    """AWS clients, and the server that they speak to."""
    server = serve(send(b""))
    made = Cloud(
        clock=SystemClock(),
        stop=Stop(),
        observer=Attempts(),
        rng=random.Random(1),
        region=lambda: "eu-west-1",
        step=lambda: 300.0,
    )
    yield server, made
    made.close()


def deadline() -> float:
    """Give a minute from now."""
    return SystemClock().monotonic() + 60


LISTS: Mapping[str, tuple[Callable[[Cloud], object], Mapping[str, object]]] = {
    "ListAccounts": (
        lambda cloud: cloud.directory.members((), deadline()),
        {"Accounts": [{"Id": ACCOUNT, "Status": "ACTIVE"}]},
    ),
    "ListAccountsForParent": (
        lambda cloud: cloud.directory.members(("ou-1",), deadline()),
        {"Accounts": [{"Id": ACCOUNT, "Status": "ACTIVE"}]},
    ),
    "ListOrganizationalUnitsForParent": (
        lambda cloud: cloud.directory.members(("ou-1",), deadline()),
        {"OrganizationalUnits": []},
    ),
    "listRegions": (
        lambda cloud: cloud.directory.regions(Account(ACCOUNT), deadline()),
        {"Regions": [{"RegionName": "eu-west-1", "RegionOptStatus": "ENABLED"}]},
    ),
    "invitations": (
        lambda cloud: cloud.macie.read(Account(ACCOUNT), "eu-west-1", deadline()),
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
        return send(response(json.dumps(answer(number))))(peer)

    return behave


def failure(ask: Callable[[], object]) -> Failure:
    """Give why a list could not be had."""
    with pytest.raises(AwsError) as caught:
        ask()
    return caught.value.failure


@pytest.mark.parametrize("operation", LISTS)
def test_long_tokens_of_many_pages_are_not_kept(
    cloud: tuple[FaultyServer, Cloud], operation: str
) -> None:
    """Forty megabytes of page tokens, one after the other, are never in memory together."""
    server, clients = cloud
    ask, page = LISTS[operation]
    longest = _longest(operation)

    def answer(number: int) -> Mapping[str, object]:
        server.requests.clear()
        more = {_token_key(operation): f"{number:0{longest}d}"} if number < 400 else {}
        return {**page, **more}

    server.behave(answering(operation, lambda _: page))
    ask(clients)
    server.behave(answering(operation, answer))
    tracemalloc.start()
    try:
        ask(clients)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("operation", LISTS)
def test_a_token_that_is_too_long_is_refused(
    cloud: tuple[FaultyServer, Cloud], operation: str
) -> None:
    """Longer than what Organizations documents, and than what goes into a URL."""
    server, clients = cloud
    ask, page = LISTS[operation]
    longest = _longest(operation)
    server.behave(
        answering(operation, lambda _: {**page, _token_key(operation): "t" * longest + "t"})
    )
    failed = failure(lambda: ask(clients))
    assert failed.code == "MalformedResponse"
    assert failed.message.endswith(f"a page token of more than {longest} characters")


def _longest(operation: str) -> int:
    return 16_384 if operation == "invitations" else 100_000


def _token_key(operation: str) -> str:
    return "nextToken" if operation == "invitations" else "NextToken"


@pytest.mark.parametrize("token", [False, 0, [], {}, 1, ["t"]], ids=repr)
@pytest.mark.parametrize("operation", LISTS)
def test_a_token_of_another_type_ends_no_list(
    cloud: tuple[FaultyServer, Cloud], operation: str, token: object
) -> None:
    """What would come after is not known: what is not listed yet would be dropped."""
    server, clients = cloud
    ask, page = LISTS[operation]
    server.behave(answering(operation, lambda _: {**page, _token_key(operation): token}))
    assert failure(lambda: ask(clients)).code == "MalformedResponse"


@pytest.mark.parametrize("operation", LISTS)
def test_a_token_that_comes_twice_is_a_loop(
    cloud: tuple[FaultyServer, Cloud], operation: str
) -> None:
    """However long the way round is."""
    server, clients = cloud
    ask, page = LISTS[operation]
    answer: Answer = lambda number: {**page, _token_key(operation): f"token-{number % 5}"}  # noqa: E731
    server.behave(answering(operation, answer))
    assert failure(lambda: ask(clients)).code == "PaginationLoop"
    assert len(server.requests) <= 8


def accounts(first: int, many: int, **more: object) -> list[dict[str, object]]:
    """List so many accounts, each with an id of its own."""
    return [
        {"Id": f"{number:012d}", "Status": "ACTIVE", **more}
        for number in range(first, first + many)
    ]


@pytest.mark.parametrize("operation", ["ListAccounts", "ListAccountsForParent"])
def test_accounts_without_end_are_refused(
    cloud: tuple[FaultyServer, Cloud], operation: str
) -> None:
    """An organization has at most 200,000 accounts here; one more, and discovery fails by name."""
    server, clients = cloud
    size = 4_000

    def answer(number: int) -> Mapping[str, object]:
        more = {"NextToken": f"token-{number}"} if number < 60 else {}
        return {"Accounts": accounts(number * size, size), **more}

    server.behave(answering(operation, answer))
    failed = failure(lambda: LISTS[operation][0](clients))
    assert (failed.code, failed.message) == (
        "MalformedResponse",
        f"more than {MAX_ACCOUNTS} accounts",
    )
    assert len(server.requests) == MAX_ACCOUNTS // size + 1


def test_as_many_accounts_as_may_be_are_taken(cloud: tuple[FaultyServer, Cloud]) -> None:
    """The last page that still fits is the last page."""
    server, clients = cloud
    size = 4_000

    def answer(number: int) -> Mapping[str, object]:
        more = {"NextToken": f"token-{number}"} if number * size < MAX_ACCOUNTS else {}
        return {"Accounts": accounts(number * size, size, Name="n" * 50), **more}

    server.behave(answering("ListAccounts", answer))
    assert len(clients.directory.members((), deadline())) == MAX_ACCOUNTS


def test_long_names_of_many_accounts_are_refused(cloud: tuple[FaultyServer, Cloud]) -> None:
    """Ids and names have a total in bytes, beside the number of accounts."""
    server, clients = cloud
    size = 300

    def answer(number: int) -> Mapping[str, object]:
        more = {"NextToken": f"token-{number}"} if number < 250 else {}
        return {"Accounts": accounts(number * size, size, Name="\U0001f600" * 256), **more}

    server.behave(answering("ListAccounts", answer))
    failed = failure(lambda: clients.directory.members((), deadline()))
    assert (failed.code, failed.message) == (
        "MalformedResponse",
        "accounts whose ids and names are more than 64 MiB",
    )


def test_units_without_end_are_refused(cloud: tuple[FaultyServer, Cloud]) -> None:
    """Before each of them costs two calls; AWS allows 2,000."""
    server, clients = cloud
    size = 4_000

    def answer(number: int) -> Mapping[str, object]:
        units = [{"Id": f"ou-{number}-{unit}"} for unit in range(size)]
        return {"OrganizationalUnits": units, "NextToken": f"token-{number}"}

    server.behave(answering("ListOrganizationalUnitsForParent", answer))
    failed = failure(lambda: clients.directory.members(("ou-1",), deadline()))
    assert (failed.code, failed.message) == ("MalformedResponse", f"more than {MAX_UNITS} units")
    assert len(server.requests) == 1 + MAX_UNITS // size + 1


def test_regions_without_end_take_no_memory(cloud: tuple[FaultyServer, Cloud]) -> None:
    """Those without Macie, however many are listed, are not kept."""
    server, clients = cloud

    def answer(number: int) -> Mapping[str, object]:
        regions = [
            {"RegionName": f"moon-{number}-{region}" + "x" * 500, "RegionOptStatus": "ENABLED"}
            for region in range(1_000)
        ]
        more = {"NextToken": f"token-{number}"} if number < 100 else {}
        return {
            "Regions": [*regions, {"RegionName": "eu-west-1", "RegionOptStatus": "ENABLED"}],
            **more,
        }

    server.behave(answering("listRegions", answer))
    tracemalloc.start()
    try:
        assert clients.directory.regions(Account(ACCOUNT), deadline()) == ("eu-west-1",)
        assert tracemalloc.get_traced_memory()[1] < 16_000_000
    finally:
        tracemalloc.stop()
