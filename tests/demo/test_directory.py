"""The organisation and the regions of its accounts, as discovery reads them."""

import pytest
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError

from exporter.demo.server import EmbeddedAws
from exporter.demo.world import ROOT_ID, World
from tests.demo.conftest import HUB, MEMBER, Assume, Client, Clients

ROOT = {
    "Id": ROOT_ID,
    "Arn": f"arn:aws:organizations::{HUB}:root/o-demo000000/{ROOT_ID}",
    "Name": "Root",
    "PolicyTypes": [],
}


def listed(client: Client, operation: str, key: str, **arguments: object) -> list[list[str]]:
    """Read a listing with botocore's paginator: names (of regions: also status), page by page."""
    pages = client.get_paginator(operation).paginate(**arguments)
    return [[one["Name"] for one in page[key]] for page in pages]


def accounts(client: Client) -> list[list[str]]:
    """Read all accounts, page by page."""
    return listed(client, "list_accounts", "Accounts")


def regions(client: Client, **arguments: object) -> list[list[tuple[str, str]]]:
    """Read all regions with their status, page by page."""
    pages = client.get_paginator("list_regions").paginate(**arguments)
    return [
        [(one["RegionName"], one["RegionOptStatus"]) for one in page["Regions"]] for page in pages
    ]


def test_an_account_has_its_own_id_and_name(clients: Clients) -> None:
    """Accounts keep the ids that the world gives, leading zeros too, and start active."""
    found = clients("organizations").list_accounts()["Accounts"]
    assert [(one["Id"], one["Name"], one["Status"]) for one in found] == [
        (HUB, "management", "ACTIVE"),
        (MEMBER, "payments", "ACTIVE"),
    ]


def test_the_hub_manages_the_organisation(clients: Clients, assume: Assume) -> None:
    """DescribeOrganization names the hub, to members also; ListRoots gives the one root."""
    for client in (clients("organizations"), clients("organizations", assume())):
        assert client.describe_organization()["Organization"]["MasterAccountId"] == HUB
    assert clients("organizations").list_roots()["Roots"] == [ROOT]


def test_units_nest(clients: Clients, world: World) -> None:
    """Accounts and units are listed under their direct parent only."""
    outer = world.add_unit("Workloads")
    inner = world.add_unit("Production", outer)
    world.add_account("000000000007", "checkout", inner)
    client = clients("organizations")
    units, members = "list_organizational_units_for_parent", "list_accounts_for_parent"
    found = {
        parent: (
            listed(client, units, "OrganizationalUnits", ParentId=parent),
            listed(client, members, "Accounts", ParentId=parent),
        )
        for parent in (ROOT_ID, outer, inner)
    }
    assert found == {
        ROOT_ID: ([["Workloads"]], [["management", "payments"]]),
        outer: ([["Production"]], [[]]),
        inner: ([[]], [["checkout"]]),
    }


def test_an_unknown_parent_is_an_error(clients: Clients) -> None:
    """A unit that does not exist has no accounts to list."""
    with pytest.raises(ClientError, match="ParentNotFoundException"):
        clients("organizations").list_accounts_for_parent(ParentId="ou-demo-99999999")


def test_pages_can_be_small_and_empty_ones_between(clients: Clients, world: World) -> None:
    """An empty page may carry a NextToken, and the last page has none."""
    world.add_account("000000000007", "checkout")
    client = clients("organizations")
    world.page_limit = 2
    assert accounts(client) == [["management", "payments"], ["checkout"]]
    world.empty_pages = True
    assert accounts(client) == [[], ["management", "payments"], [], ["checkout"]]


def test_pages_hold_20_at_most(clients: Clients, world: World) -> None:
    """More than 20 accounts are more than one page, whatever is asked for."""
    for number in range(30):
        world.add_account(f"{number:012d}", f"account-{number}")
    assert [len(page) for page in accounts(clients("organizations"))] == [20, 12]


def test_accounts_come_move_close_and_go(clients: Clients, world: World) -> None:
    """Each change is seen by the next call."""
    client = clients("organizations")
    unit = world.add_unit("Sandbox")
    world.add_account("000000000007", "checkout")
    assert accounts(client) == [["management", "payments", "checkout"]]
    world.move_account("000000000007", unit)
    world.suspend_account(MEMBER)
    in_unit = client.list_accounts_for_parent(ParentId=unit)["Accounts"]
    at_root = client.list_accounts_for_parent(ParentId=ROOT_ID)["Accounts"]
    assert [one["Name"] for one in in_unit] == ["checkout"]
    assert [one["Status"] for one in at_root] == ["ACTIVE", "SUSPENDED"]
    world.remove_account(MEMBER)
    world.move_account("000000000007", None)
    assert accounts(client) == [["management"]]


def test_only_the_hub_and_delegates_may_list(
    clients: Clients, assume: Assume, world: World
) -> None:
    """A member is denied, until it is a delegated administrator."""
    client = clients("organizations", assume())
    with pytest.raises(ClientError, match="AccessDeniedException") as caught:
        client.list_accounts()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    world.delegate(MEMBER)
    assert accounts(client) == [["management", "payments"]]


def test_there_may_be_no_organisation(clients: Clients, world: World) -> None:
    """A hub outside any organisation is told so."""
    world.move_account(HUB, None)
    with pytest.raises(ClientError, match="AWSOrganizationsNotInUseException"):
        clients("organizations").describe_organization()


def test_worlds_in_one_process_have_organisations_of_their_own(
    clients: Clients, world: World
) -> None:
    """Another world with the same hub changes nothing here."""
    with EmbeddedAws(World(HUB, hub_name="other")):
        assert accounts(clients("organizations")) == [["management", "payments"]]
        world.add_account("000000000007", "checkout")
        assert accounts(clients("organizations")) == [["management", "payments", "checkout"]]


def test_regions_have_a_status_per_account(clients: Clients, assume: Assume, world: World) -> None:
    """A region is on by default, opted in to or disabled, for each account by itself."""
    world.disable_region(MEMBER, "us-east-2")
    world.enable_region(MEMBER, "us-east-1")
    assert regions(clients("account", assume())) == [
        [
            ("eu-west-1", "ENABLED_BY_DEFAULT"),
            ("eu-central-1", "ENABLED_BY_DEFAULT"),
            ("us-east-1", "ENABLED"),
            ("us-east-2", "DISABLED"),
        ]
    ]
    assert {status for _, status in regions(clients("account"))[0]} == {"ENABLED_BY_DEFAULT"}
    assert (MEMBER, "us-east-2") not in world.targets()
    assert (MEMBER, "us-east-1") in world.targets()


def test_regions_come_in_pages_and_by_status(clients: Clients, world: World) -> None:
    """Pages follow MaxResults and the world's limit; a filter leaves other statuses out."""
    world.disable_region(HUB, "us-east-1")
    client = clients("account")
    wanted = {"RegionOptStatusContains": ["ENABLED", "ENABLED_BY_DEFAULT"]}
    sizes = [len(page) for page in regions(client, PaginationConfig={"PageSize": 3})]
    assert sizes == [3, 1]
    world.page_limit = 2
    assert [[name for name, _ in page] for page in regions(client, **wanted)] == [
        ["eu-west-1", "eu-central-1"],
        ["us-east-2"],
    ]
    with pytest.raises(ClientError, match="ValidationException"):
        client.list_regions(NextToken="unknown")


def test_region_pages_have_a_largest_size(clients: Clients) -> None:
    """MaxResults goes from 1 to 50."""
    with pytest.raises(ClientError, match="ValidationException"):
        clients("account").list_regions(MaxResults=51)


@pytest.mark.parametrize("body", [b"[]", b"{"])
def test_a_body_that_is_no_object_is_refused(clients: Clients, body: bytes) -> None:
    """The JSON protocols take objects only."""
    client = clients("account")

    def replace(request: AWSRequest, **_: object) -> None:
        request.data = body

    client.meta.events.register("before-sign.account.ListRegions", replace)
    with pytest.raises(ClientError, match="SerializationException"):
        client.list_regions()


def test_listing_regions_can_be_denied(clients: Clients, assume: Assume, world: World) -> None:
    """One account may lack account:ListRegions, which `heal` gives back."""
    client = clients("account", assume())
    world.deny_region_listing(MEMBER)
    with pytest.raises(ClientError, match=r"AccessDeniedException.*assumed-role/.*ListRegions"):
        client.list_regions()
    assert regions(clients("account"))
    world.heal(MEMBER, "*", service="account")
    assert regions(client)


def test_only_the_hub_may_name_another_account(clients: Clients, assume: Assume) -> None:
    """With an account id ListRegions is for the management account, about its members."""
    assert regions(clients("account"), AccountId=MEMBER)
    with pytest.raises(ClientError, match="AccessDeniedException"):
        clients("account", assume()).list_regions(AccountId=HUB)
    with pytest.raises(ClientError, match="AccessDeniedException"):
        clients("account").list_regions(AccountId="999999999999")
