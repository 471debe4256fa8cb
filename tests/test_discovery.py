"""Discovery over a directory that the tests write by hand."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from exporter.discovery import Discovery, Finding, hint
from exporter.model import DEFAULT_REGIONS, Account, AwsError, Failure, Role
from exporter.settings import Settings

HUB = "100000000000"
ROLE = "macie-invitations-reader"
UNITS = ("ou-ab12-11111111", "ou-ab12-22222222", "ou-ab12-33333333")


@dataclass(frozen=True)
class Member:
    """An account of the organization."""

    id: str
    name: str = ""


@dataclass
class Directory:
    """Answers what the test put in; refuses what it broke."""

    accounts: list[Member] = field(default_factory=list)
    enabled: dict[str, tuple[str, ...]] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    units: tuple[str, ...] = ()
    of_units: dict[str, list[Member]] = field(default_factory=dict)

    def members(self, units: tuple[str, ...], deadline: float) -> Sequence[Member]:
        """List the accounts."""
        del deadline
        self.units = units
        if "organization" in self.broken:
            raise AwsError("AccessDenied", "no", "request-9")
        for unit in units:
            if unit in self.broken:
                raise AwsError("ParentNotFoundException", f"{unit}: no such parent")
        return [member for unit in units for member in self.of_units.get(unit, self.accounts)] or (
            self.accounts
        )

    def regions(self, account: Account, deadline: float) -> tuple[str, ...]:
        """List an account's regions."""
        del deadline
        if account.id in self.broken:
            raise AwsError(
                "AccessDeniedException", "not authorized to perform: account:ListRegions"
            )
        return self.enabled[account.id]


class Log:
    """Remembers warnings."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, object]]] = []

    def warning(self, event: str, **fields: object) -> None:
        """Note a warning."""
        self.events.append((event, fields))

    debug = info = error = exception = warning


def one_by_one(function: Any, accounts: Iterable[Account]) -> list[Any]:
    """Map without threads."""
    return [function(account) for account in accounts]


def discovery(
    directory: Directory,
    aws: dict[str, Any],
    *,
    previous: Discovery | None = None,
    shard: dict[str, int] | None = None,
    log: Log | None = None,
    identity: str | None = HUB,
) -> Discovery:
    """Give a discovery with some settings under `aws`."""

    def who_am_i(deadline: float) -> str:
        del deadline
        if identity is None:
            raise AwsError("EndpointConnectionError", "no network")
        return identity

    return Discovery(
        Settings.model_validate({"aws": aws, "shard": shard or {}}),
        default_region="eu-west-1",
        who_am_i=who_am_i,
        directory=directory,
        in_parallel=one_by_one,
        log=log or Log(),
        previous=previous,
    )


def last(found: Discovery) -> Finding:
    """Give what is found in the end."""
    return list(found.find(0.0))[-1]


def ids(finding: Finding) -> list[str]:
    """Give the ids of the accounts found."""
    return [account.id for account in finding.inventory.accounts]


def role(account: str, external_id: str | None = None) -> Role:
    """Give the reader role of an account."""
    return Role(f"arn:aws:iam::{account}:role/{ROLE}", external_id)


def test_the_environments_own_account_by_default() -> None:
    """Without configuration: the account of the own credentials, in the environment's region."""
    found = discovery(Directory(), {})
    assert last(found).inventory.accounts == (Account(HUB, regions=("eu-west-1",)),)
    assert not found.repeats


def test_own_account_is_asked_for_until_it_answers() -> None:
    """An unreachable STS is a failure that leaves nothing to poll, and nothing forgotten later."""
    found = last(discovery(Directory(), {}, identity=None))
    assert found.failure == Failure("EndpointConnectionError", "no network")
    assert not found.complete
    assert found.inventory.accounts == ()


def test_static_accounts_need_no_network() -> None:
    """Roles by ARN or by name, own regions or the common ones, names kept."""
    aws = {
        "regions": ["eu-west-1", "us-east-1"],
        "accounts": [
            {"id": "000000000001", "name": "one", "role_name": "path/reader"},
            {
                "id": "000000000002",
                "role_arn": f"arn:aws:iam::000000000002:role/{ROLE}",
                "external_id": "x",
                "regions": ["us-west-2"],
            },
            {"id": HUB},
        ],
    }
    assert last(discovery(Directory(), aws, identity=None)) == Finding(
        inventory=type(last(discovery(Directory(), {})).inventory)(
            (
                Account(
                    "000000000001",
                    "one",
                    Role("arn:aws:iam::000000000001:role/path/reader"),
                    ("eu-west-1", "us-east-1"),
                ),
                Account("000000000002", "", role("000000000002", "x"), ("us-west-2",)),
                Account(HUB, "", None, ("eu-west-1", "us-east-1")),
            )
        ),
        complete=True,
    )


def test_members_of_the_organization() -> None:
    """Each with the role, the own account with own credentials, names passed on."""
    directory = Directory([Member(HUB, "hub"), Member("000000000001", "one")])
    aws = {"organization": {"role_name": ROLE, "external_id": "x", "include_ous": [UNITS[0]]}}
    found = discovery(directory, aws)
    assert last(found).inventory.accounts == (
        Account(HUB, "hub", None, ("eu-west-1",)),
        Account("000000000001", "one", role("000000000001", "x"), ("eu-west-1",)),
    )
    assert directory.units == (UNITS[0],)
    assert found.repeats


def test_static_accounts_win_and_exclusion_holds_for_members() -> None:
    """A static account keeps its own role and regions, and takes only the name if it has none."""
    directory = Directory([Member(HUB), Member("000000000001", "one"), Member("000000000002")])
    aws = {
        "accounts": [{"id": "000000000001", "regions": ["us-east-1"]}],
        "organization": {"role_name": ROLE, "exclude_accounts": [HUB, "000000000001"]},
    }
    assert last(discovery(directory, aws)).inventory.accounts == (
        Account("000000000001", "one", None, ("us-east-1",)),
        Account("000000000002", "", role("000000000002"), ("eu-west-1",)),
    )


def test_a_failed_refresh_keeps_the_last_known_accounts() -> None:
    """What is known survives Organizations' silence; static accounts never depend on it."""
    directory = Directory([Member("000000000001")])
    aws = {"accounts": [{"id": "000000000009"}], "organization": {"role_name": ROLE}}
    directory.broken.add("organization")
    found = discovery(directory, aws)
    first = last(found)
    assert [account.id for account in first.inventory.accounts] == ["000000000009"]
    assert not first.complete
    directory.broken.clear()
    complete = last(found)
    assert [account.id for account in complete.inventory.accounts] == [
        "000000000009",
        "000000000001",
    ]
    assert complete.complete
    directory.broken.add("organization")
    failed = last(found)
    assert failed.inventory == complete.inventory
    assert failed.failure == Failure("AccessDenied", "no", "request-9")


def test_a_unit_that_is_gone_keeps_its_accounts_and_hides_no_other() -> None:
    """Discovery has failed then, by the unit's name; the other units are current all the same."""
    one, two, three = UNITS
    directory = Directory(of_units={unit: [Member(f"{n:012d}")] for n, unit in enumerate(UNITS)})
    organization = {"role_name": ROLE, "include_ous": UNITS}
    found = discovery(directory, {"organization": organization})
    assert ids(last(found)) == ["000000000000", "000000000001", "000000000002"]
    directory.broken.add(two)
    directory.of_units[one] = [Member("000000000007")]
    directory.of_units[three].append(Member("000000000008"))
    failed = last(found)
    assert ids(failed) == ["000000000007", "000000000001", "000000000002", "000000000008"]
    assert not failed.complete
    assert failed.failure == Failure("ParentNotFoundException", f"{two}: no such parent")
    assert "include_ous" in hint(failed.failure)
    without = {"organization": {**organization, "include_ous": [one, three]}}
    after = last(discovery(directory, without, previous=found))
    assert ids(after) == ["000000000007", "000000000002", "000000000008"]
    assert after.complete


def test_a_unit_that_was_never_there_hides_no_other() -> None:
    """Nothing is known of it, so that discovery has not succeeded; what is known is polled."""
    directory = Directory([Member("000000000001")], broken={UNITS[0]})
    organization = {"role_name": ROLE, "include_ous": UNITS[:2]}
    found = last(discovery(directory, {"organization": organization}))
    assert ids(found) == ["000000000001"]
    assert found.failure is not None


def test_a_reload_with_a_unit_that_is_not_there_drops_no_account() -> None:
    """Whose accounts it meant is not known: all that were found before stay."""
    directory = Directory([Member("000000000001"), Member("000000000002")])
    before = discovery(directory, {"organization": {"role_name": ROLE}})
    last(before)
    directory.of_units[UNITS[0]] = [Member("000000000003")]
    directory.broken.add(UNITS[1])
    organization = {"role_name": ROLE, "include_ous": UNITS[:2]}
    after = last(discovery(directory, {"organization": organization}, previous=before))
    assert ids(after) == ["000000000003", "000000000001", "000000000002"]
    assert after.failure is not None


def test_an_account_under_two_units_is_there_once() -> None:
    """Also where one of them lies within the other."""
    directory = Directory([Member("000000000001"), Member("000000000002")])
    organization = {"role_name": ROLE, "include_ous": UNITS}
    found = last(discovery(directory, {"organization": organization}))
    assert ids(found) == ["000000000001", "000000000002"]


def test_another_failure_is_not_the_units_own() -> None:
    """Where Organizations does not answer, nothing changes, and the next unit is not asked."""
    directory = Directory([Member("000000000001")])
    organization = {"role_name": ROLE, "include_ous": UNITS}
    found = discovery(directory, {"organization": organization})
    before = last(found)
    directory.broken.add("organization")
    after = last(found)
    assert after.inventory == before.inventory
    assert directory.units == UNITS[:1]


def test_members_that_leave_are_gone_and_new_ones_there() -> None:
    """Each refresh gives exactly who is in the organization now."""
    directory = Directory([Member("000000000001"), Member("000000000002")])
    found = discovery(directory, {"organization": {"role_name": ROLE}})
    last(found)
    directory.accounts = [Member("000000000002"), Member("000000000003")]
    assert ids(last(found)) == ["000000000002", "000000000003"]


def test_regions_auto_are_each_accounts_own() -> None:
    """Every account is asked; who cannot be asked gets the default regions, and the log says so."""
    accounts = [{"id": "000000000001"}, {"id": "000000000002"}, {"id": "000000000003"}]
    directory = Directory(
        enabled={"000000000001": ("eu-west-1", "me-south-1"), "000000000003": ()},
        broken={"000000000002"},
    )
    log = Log()
    found = discovery(directory, {"regions": "auto", "accounts": accounts}, log=log)
    regions = {account.id: account.regions for account in last(found).inventory.accounts}
    assert regions == {
        "000000000001": ("eu-west-1", "me-south-1"),
        "000000000002": DEFAULT_REGIONS,
    }
    [(event, fields)] = log.events
    assert event == "regions_unknown"
    assert fields["account"] == "000000000002"
    assert "account:ListRegions" in str(fields["hint"])
    assert found.repeats


def test_regions_of_an_account_stay_known_when_it_cannot_be_asked_again() -> None:
    """A denial later on does not take regions away, nor add any."""
    directory = Directory(enabled={"000000000001": ("me-south-1",)})
    found = discovery(directory, {"regions": "auto", "accounts": [{"id": "000000000001"}]})
    last(found)
    directory.broken.add("000000000001")
    assert last(found).inventory.accounts[0].regions == ("me-south-1",)


def test_regions_are_handed_on_while_others_are_still_asked() -> None:
    """With very many accounts the first are polled before the last have answered."""
    ids = [f"{number:012d}" for number in range(150)]
    directory = Directory([Member(i) for i in ids], dict.fromkeys(ids, ("eu-west-1",)))
    found = discovery(directory, {"regions": "auto", "organization": {"role_name": ROLE}})
    findings = list(found.find(0.0))
    assert [len(one.inventory.accounts) for one in findings] == [0, 64, 128, 150]
    assert [one.complete for one in findings] == [False, False, False, True]
    directory.accounts.pop()
    assert len(next(iter(found.find(0.0))).inventory.accounts) == 149


def test_shards_share_the_accounts() -> None:
    """Three shards hold every account once, static and discovered alike."""
    directory = Directory([Member(f"{number:012d}") for number in range(300)])
    aws = {"accounts": [{"id": "900000000000"}], "organization": {"role_name": ROLE}}
    held = [
        account.id
        for index in range(3)
        for account in last(
            discovery(directory, aws, shard={"index": index, "total": 3})
        ).inventory.accounts
    ]
    assert sorted(held) == sorted([*(member.id for member in directory.accounts), "900000000000"])


@pytest.mark.parametrize(
    ("aws", "ids"),
    [
        ({"organization": {"role_name": ROLE}}, ["000000000001"]),
        ({"accounts": [{"id": "000000000005"}]}, ["000000000005"]),
    ],
)
def test_a_new_configuration_starts_from_what_is_known(aws: dict[str, Any], ids: list[str]) -> None:
    """After a reload, members stay known if still wanted even while Organizations fails."""
    directory = Directory([Member("000000000001")])
    before = discovery(directory, {"organization": {"role_name": ROLE}})
    last(before)
    directory.broken.add("organization")
    after = last(discovery(directory, aws, previous=before))
    assert [account.id for account in after.inventory.accounts] == ids
