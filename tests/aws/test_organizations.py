"""Organizations and enabled regions: pages, nesting, and answers that are none."""

import json
from collections.abc import Iterator

import pytest

from exporter.aws.organizations import LONGEST_NAME
from exporter.model import MACIE_REGIONS, Account, AwsError, Role
from tests import fleets
from tests.clouds import Skies, embedded_cloud
from tests.embedded_aws.world import Fault, World

ACCOUNT, OTHER, THIRD = fleets.accounts(3)


@pytest.fixture
def world() -> World:
    """Three accounts, two of them in nested units."""
    made = World(fleets.HUB, regions=fleets.REGIONS)
    outer = made.add_unit("outer")
    made.add_account(ACCOUNT, "one", outer)
    made.add_account(OTHER, "two", made.add_unit("inner", outer))
    made.add_account(THIRD, "three")
    return made


@pytest.fixture
def cloud(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Skies]:
    """The client of the embedded AWS."""
    with embedded_cloud(world, monkeypatch) as made:
        yield made


def members(cloud: Skies, *units: str) -> list[str]:
    """Return the ids of the members found that are in use."""
    found = cloud.run(cloud.cloud.organizations.members(units))
    return sorted(member.id for member in found if member.is_active)


def regions(cloud: Skies, account: Account) -> tuple[str, ...]:
    """Return the regions found in an account. Raises AwsError."""
    return cloud.run(cloud.cloud.organizations.regions(account))


def unit(world: World, name: str) -> str:
    """Return a unit's id by its name."""
    organization = world.organization()
    assert organization is not None
    return next(one.unit_id for one in organization.units if one.name == name)


def answer(world: World, service: str, *bodies: object) -> None:
    """Have the next calls answered with bodies, each once."""
    for body in bodies:
        fault = Fault(200, "", "", times=1, body=json.dumps(body).encode())
        world.fail(fleets.HUB, "*", fault, service=service)


def test_members_of_the_whole_organization_and_of_units(cloud: Skies, world: World) -> None:
    """Nested units are included; an account under two of the given units counts once."""
    assert members(cloud) == sorted([fleets.HUB, ACCOUNT, OTHER, THIRD])
    assert members(cloud, unit(world, "outer")) == [ACCOUNT, OTHER]
    assert members(cloud, unit(world, "inner")) == [OTHER]
    assert members(cloud, unit(world, "outer"), unit(world, "inner")) == [ACCOUNT, OTHER]


def test_a_unit_that_is_not_there_is_named(cloud: Skies, world: World) -> None:
    """AWS's own text does not say which it was."""
    assert unit(world, "outer")
    with pytest.raises(AwsError) as caught:
        members(cloud, "ou-demo-99999999")
    failure = caught.value.failure
    assert failure.code == "ParentNotFoundException"
    assert failure.message.startswith("ou-demo-99999999: ")


def test_state_supersedes_the_status_that_aws_retires(cloud: Skies, world: World) -> None:
    """Accounts count as active by State, by Status where there is no State, and else not.

    The others are listed too: the organization trusts them.
    """
    accounts = [
        {"Id": ACCOUNT, "State": "ACTIVE"},
        {"Id": OTHER, "State": "PENDING_CLOSURE", "Status": "ACTIVE"},
        {"Id": THIRD, "Status": "ACTIVE"},
        {"Id": fleets.HUB},
    ]
    answer(world, "organizations", {"Accounts": accounts})
    assert members(cloud) == [ACCOUNT, THIRD]
    answer(world, "organizations", {"Accounts": accounts})
    assert len(cloud.run(cloud.cloud.organizations.members(()))) == len(accounts)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"Accounts": []}, "MalformedResponse"),
        ({}, "MalformedResponse"),
        ({"Accounts": "none"}, "MalformedResponse"),
        ({"Accounts": [1]}, "MalformedResponse"),
        ({"Accounts": [{"Status": "ACTIVE"}]}, "MalformedResponse"),
        ({"Accounts": [{"Id": "", "Status": "ACTIVE"}]}, "MalformedResponse"),
        ({"Accounts": [{"Id": "../../x", "Status": "ACTIVE"}]}, "MalformedResponse"),
        ({"Accounts": [{"Id": "1\ud800", "Status": "ACTIVE"}]}, "MalformedResponse"),
        ({"Accounts": [{"Id": ACCOUNT, "Status": "SUSPENDED"}]}, "MalformedResponse"),
        ({"Accounts": [{"Id": ACCOUNT, "Status": "Active"}]}, "MalformedResponse"),
        ({"Accounts": [{"Id": ACCOUNT, "Status": ["ACTIVE"]}]}, "MalformedResponse"),
        ({"Accounts": [], "NextToken": {"a": 1}}, "MalformedResponse"),
    ],
)
def test_an_answer_without_accounts_loses_none(
    cloud: Skies, world: World, body: object, code: str
) -> None:
    """What is no list of accounts is a failure, never an empty organization."""
    answer(world, "organizations", body)
    with pytest.raises(AwsError) as caught:
        members(cloud)
    assert caught.value.failure.code == code


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (5, ""),
        ({"a": 1}, ""),
        (None, ""),
        ("x" * 1000, "x" * LONGEST_NAME),
        ("half \ud83d a pair", "half ? a pair"),
        ("whole \U0001f600", "whole \U0001f600"),
    ],
)
def test_a_name_that_is_none_costs_no_account(
    cloud: Skies, world: World, name: object, shown: str
) -> None:
    """What cannot be shown is left out; it would break the metrics and every page."""
    answer(
        world, "organizations", {"Accounts": [{"Id": ACCOUNT, "Name": name, "Status": "ACTIVE"}]}
    )
    assert [one.name for one in cloud.run(cloud.cloud.organizations.members(()))] == [shown]


def test_a_repeating_page_token_ends_the_discovery(cloud: Skies, world: World) -> None:
    """As it ends a poll."""
    page = {"Accounts": [{"Id": ACCOUNT, "Status": "ACTIVE"}], "NextToken": "again"}
    answer(world, "organizations", page, page, page)
    with pytest.raises(AwsError, match="PaginationLoop"):
        members(cloud)


def test_units_that_hold_each_other_are_asked_once(cloud: Skies, world: World) -> None:
    """However AWS nests them."""
    looping = {
        "Accounts": [{"Id": ACCOUNT, "State": "ACTIVE"}],
        "OrganizationalUnits": [{"Id": "ou-1"}],
    }
    fault = Fault(200, "", "", body=json.dumps(looping).encode())
    world.fail(fleets.HUB, "*", fault, service="organizations")
    assert members(cloud, "ou-1") == [ACCOUNT]


def test_regions_are_those_enabled_that_have_macie(cloud: Skies, world: World) -> None:
    """With the account's own role; disabled regions go, and those without Macie are not listed."""
    account = Account(ACCOUNT, "", Role(world.role_arn(ACCOUNT)))
    before = regions(cloud, account)
    assert set(before) <= set(MACIE_REGIONS)
    world.disable_region(ACCOUNT, "eu-central-1")
    assert set(regions(cloud, account)) == set(before) - {"eu-central-1"}
    world.deny_region_listing(ACCOUNT)
    with pytest.raises(AwsError, match="AccessDenied"):
        regions(cloud, account)


@pytest.mark.parametrize(
    "listed",
    [
        [],
        [{"RegionName": "eu-west-1", "RegionOptStatus": "DISABLED"}],
        [{"RegionName": "eu-west-1", "RegionOptStatus": "enabled"}],
        [{"RegionName": "eu-west-1", "RegionOptStatus": {}}],
        [{"RegionName": ["eu-west-1"], "RegionOptStatus": "ENABLED"}],
        [{"RegionName": "moon-1", "RegionOptStatus": "ENABLED"}],
    ],
)
def test_an_account_without_any_region_is_no_answer(
    cloud: Skies, world: World, listed: object
) -> None:
    """It would lose all its targets over it, and nobody would hear of that."""
    account = Account(ACCOUNT, "", Role(world.role_arn(ACCOUNT)))
    fault = Fault(200, "", "", times=1, body=json.dumps({"Regions": listed}).encode())
    world.fail(ACCOUNT, "*", fault, service="account")
    with pytest.raises(AwsError) as caught:
        regions(cloud, account)
    assert caught.value.failure.code == "MalformedResponse"
