"""Discovery over a directory that the tests write by hand."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from exporter.discovery.directory import hint
from exporter.discovery.loop import Discovery
from exporter.model import DEFAULT_REGIONS, Account, AwsError, Failure, Inventory, Member, Role
from exporter.settings import Settings
from tests.clocks import ManualClock
from tests.loops import in_a_loop
from tests.processes import eventually

HUB = "100000000000"
ONE, TWO, THREE = (f"00000000000{number}" for number in (1, 2, 3))
ROLE = "macie-invitations-reader"
NOW = 1_700_000_000.0
UNITS = ("ou-ab12-11111111", "ou-ab12-22222222", "ou-ab12-33333333")


@dataclass
class Directory:
    """Answers what the test put in; refuses what it broke, and hangs where it is told to."""

    accounts: list[Member] = field(default_factory=list)
    enabled: dict[str, tuple[str, ...]] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    units: tuple[str, ...] = ()
    asked: list[str] = field(default_factory=list)
    identity: str = HUB
    tagged: dict[str, dict[str, str]] = field(default_factory=dict)
    of_units: dict[str, list[Member]] = field(default_factory=dict)

    async def who_am_i(self) -> str:
        """Tell whose the credentials are."""
        await self._ask("identity", AwsError("EndpointConnectionError", "no network"))
        return self.identity

    async def members(self, units: tuple[str, ...]) -> Sequence[Member]:
        """List the accounts."""
        self.units = units or self.units
        what = "organization" if units or not self.of_units else "whole organization"
        await self._ask(what, AwsError("AccessDenied", "no", "request-9"))
        for unit in units:
            await self._ask(unit, AwsError("ParentNotFoundException", f"{unit}: no such parent"))
        return [member for unit in units for member in self.of_units.get(unit, self.accounts)] or (
            self.accounts
        )

    async def regions(self, account: Account) -> tuple[str, ...]:
        """List an account's regions."""
        denied = "not authorized to perform: account:ListRegions"
        await self._ask(account.id, AwsError("AccessDeniedException", denied))
        return self.enabled[account.id]

    async def tags(self, account_id: str) -> Mapping[str, str]:
        """Return an account's tags."""
        await self._ask(f"tags {account_id}", AwsError("ThrottlingException", "slow down"))
        return self.tagged.get(account_id, {})

    async def _ask(self, what: str, error: AwsError) -> None:
        self.asked.append(what)
        if what in self.silent:
            await asyncio.Event().wait()
        if what in self.broken:
            raise error


class Log:
    """Remembers what is told."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, object]]] = []

    def warning(self, event: str, **fields: object) -> None:
        """Note an event."""
        self.events.append((event, fields))

    debug = info = error = exception = warning


def settings_of(aws: dict[str, Any], sections: dict[str, Any]) -> Settings:
    """Return settings of AWS, and others."""
    return Settings.model_validate({"aws": aws, **sections})


def discovery(
    directory: Directory,
    aws: dict[str, Any],
    *,
    log: Log | None = None,
    adopt: Callable[[Inventory], object] = lambda _: None,
    **sections: Any,
) -> Discovery:
    """Return a discovery with some settings under `aws`, and in other sections."""

    async def take(found: Inventory) -> None:
        adopt(found)

    return Discovery(
        settings_of(aws, sections),
        default_region="eu-west-1",
        who_am_i=directory.who_am_i,
        organizations=directory,
        adopt=take,
        clock=ManualClock(NOW),
        log=log or Log(),
    )


def configure(found: Discovery, aws: dict[str, Any]) -> Inventory:
    """Look once with other settings, and return what is found in the end."""
    found.configure(settings_of(aws, {}), "eu-west-1")
    return last(found)


def last(found: Discovery) -> Inventory:
    """Look once, and return what is found in the end."""
    asyncio.run(found.look())
    return found.inventory


def ids(found: Inventory) -> list[str]:
    """Return the ids of the accounts found."""
    return [account.id for account in found.accounts]


def members(*account_ids: str) -> list[Member]:
    """Return accounts of the organization without names."""
    return [Member(account_id, "") for account_id in account_ids]


def organization(**keys: Any) -> dict[str, Any]:
    """Return settings that discover an organization's accounts."""
    return {"organization": {"role_name": ROLE, **keys}}


def role(account: str, external_id: str | None = None) -> Role:
    """Return the reader role of an account."""
    return Role(f"arn:aws:iam::{account}:role/{ROLE}", external_id)


def test_the_environments_own_account_by_default() -> None:
    """Without configuration: the account of the own credentials, in the environment's region."""
    directory = Directory(broken={"identity"})
    found = discovery(directory, {})
    unknown = last(found)
    assert unknown == Inventory(failure=Failure("EndpointConnectionError", "no network"))
    assert not unknown.known
    directory.broken.clear()
    assert last(found).accounts == (Account(HUB, regions=("eu-west-1",)),)


def test_static_accounts_need_no_network() -> None:
    """Roles by ARN or by name, own regions or the common ones, names kept."""
    two = {"id": TWO, "role_arn": role(TWO).arn, "external_id": "x", "regions": ["us-west-2"]}
    aws = {
        "regions": ["eu-west-1", "us-east-1"],
        "accounts": [{"id": ONE, "name": "one", "role_name": "path/reader"}, two, {"id": HUB}],
    }
    directory = Directory()
    by_name = Role(f"arn:aws:iam::{ONE}:role/path/reader")
    assert last(discovery(directory, aws)) == Inventory(
        (
            Account(ONE, "one", by_name, ("eu-west-1", "us-east-1")),
            Account(TWO, "", role(TWO, "x"), ("us-west-2",)),
            Account(HUB, "", None, ("eu-west-1", "us-east-1")),
        ),
        names={ONE: "one"},
        complete=True,
        last_success=NOW,
    )
    assert directory.asked == []


def test_static_accounts_win_and_exclusion_holds_for_members() -> None:
    """A static account keeps its own role and regions, and takes only the name if it has none.

    Members have the role, the account of the credentials those.
    """
    directory = Directory(
        [Member(HUB, "hub"), Member(ONE, "one"), Member(TWO, ""), *members(THREE)]
    )
    static = [{"id": ONE, "regions": ["us-east-1"]}]
    excluded = organization(exclude_accounts=[ONE, THREE], external_id="x")
    assert last(discovery(directory, {"accounts": static, **excluded})).accounts == (
        Account(ONE, "one", None, ("us-east-1",)),
        Account(HUB, "hub", None, ("eu-west-1",)),
        Account(TWO, "", role(TWO, "x"), ("eu-west-1",)),
    )


def test_a_refresh_finds_who_is_there_now_and_keeps_all_where_it_fails() -> None:
    """Static accounts never depend on it; the next unit is not asked where one has no answer."""
    directory = Directory(members(ONE, TWO), broken={"organization"})
    found = discovery(directory, {"accounts": [{"id": HUB}], **organization(include_ous=UNITS)})
    first = last(found)
    assert (ids(first), first.complete) == ([HUB], False)
    directory.broken.clear()
    assert ids(last(found)) == [HUB, ONE, TWO]
    directory.accounts = members(TWO, THREE)
    complete = last(found)
    assert (ids(complete), complete.complete) == ([HUB, TWO, THREE], True)
    directory.broken.add("organization")
    failed = last(found)
    assert failed.accounts == complete.accounts
    assert failed.failure == Failure("AccessDenied", "no", "request-9")
    assert directory.units == UNITS[:1]


def test_a_unit_that_is_gone_keeps_its_accounts_and_hides_no_other() -> None:
    """Discovery has failed then, by the unit's name; the other units are current all the same.

    An account under two units is there once.
    """
    one, two, three = UNITS
    directory = Directory(of_units={one: members(ONE), two: members(TWO), three: members(THREE)})
    found = discovery(directory, organization(include_ous=UNITS))
    assert ids(last(found)) == [ONE, TWO, THREE]
    directory.broken.add(two)
    directory.of_units[one] = members("000000000007")
    directory.of_units[three] = members(THREE, "000000000007", "000000000008")
    failed = last(found)
    assert ids(failed) == ["000000000007", TWO, THREE, "000000000008"]
    assert not failed.complete
    assert failed.failure == Failure("ParentNotFoundException", f"{two}: no such parent")
    assert "include_ous" in hint(failed.failure)
    after = configure(found, organization(include_ous=[one, three]))
    assert ids(after) == ["000000000007", THREE, "000000000008"]
    assert after.complete


def test_a_unit_that_was_never_there_hides_no_other_and_drops_no_account() -> None:
    """Whose accounts it meant is not known: all that were found before stay."""
    directory = Directory(members(ONE, TWO), broken={UNITS[1]})
    directory.of_units[UNITS[0]] = members(THREE)
    aws = organization(include_ous=UNITS[:2])
    found = last(discovery(directory, aws))
    assert ids(found) == [THREE]
    assert found.failure is not None
    before = discovery(directory, organization())
    last(before)
    after = configure(before, aws)
    assert ids(after) == [THREE, ONE, TWO]
    assert after.failure is not None


def test_regions_auto_are_each_accounts_own() -> None:
    """Every account is asked; who cannot be asked gets the default regions, and the log says so.

    A denial later on does not take regions away, nor add any.
    """
    accounts = [{"id": ONE}, {"id": TWO}, {"id": THREE}]
    enabled = {ONE: ("eu-west-1", "me-south-1"), THREE: ()}
    directory, log = Directory(enabled=enabled, broken={TWO}), Log()
    found = discovery(directory, {"regions": "auto", "accounts": accounts}, log=log)
    expected = {ONE: ("eu-west-1", "me-south-1"), TWO: DEFAULT_REGIONS}
    assert {account.id: account.regions for account in last(found).accounts} == expected
    [(event, fields)] = log.events
    assert (event, fields["account"]) == ("regions_unknown", TWO)
    assert "account:ListRegions" in str(fields["hint"])
    directory.broken.add(ONE)
    assert {account.id: account.regions for account in last(found).accounts} == expected


def test_regions_are_handed_on_while_others_are_still_asked() -> None:
    """With very many accounts the first are polled before the last have answered.

    Later who left goes at once, and what stays as it was is handed on no more often.
    """
    many = [f"{number:012d}" for number in range(150)]
    directory = Directory(members(*many), dict.fromkeys(many, ("eu-west-1",)))
    parts: list[Inventory] = []
    aws = {"regions": "auto", **organization()}
    found = discovery(directory, aws, adopt=parts.append)
    last(found)
    assert [len(one.accounts) for one in parts] == [0, 32, 64, 96, 128, 150]
    assert [one.complete for one in parts] == [False] * 5 + [True]
    directory.accounts.pop()
    parts.clear()
    last(found)
    assert [len(one.accounts) for one in parts] == [149, 149]


STATIC = {"accounts": [{"id": ONE}], "regions": ["me-south-1", "us-east-1"]}
ORGANIZATION = organization()


def test_a_reload_to_auto_that_is_denied_polls_no_less_than_a_restart_would() -> None:
    """And drops no region."""
    found = discovery(Directory(broken={ONE}), STATIC)
    last(found)
    [account] = configure(found, {**STATIC, "regions": "auto"}).accounts
    assert account.regions[:2] == ("me-south-1", "us-east-1")
    assert {*account.regions} == {"me-south-1", *DEFAULT_REGIONS}


@pytest.mark.parametrize("aws", [ORGANIZATION, {**ORGANIZATION, "accounts": [{"id": TWO}]}, {}])
def test_what_a_reload_looks_for_in_vain_drops_nothing(aws: dict[str, Any]) -> None:
    """Until the new source answers, what was polled before stays; then only what it names does."""
    directory = Directory(members(TWO), broken={"organization", "identity"})
    found = discovery(directory, STATIC)
    before = last(found).accounts
    failed = configure(found, aws)
    assert failed.failure is not None
    assert {*before} <= {*failed.accounts}
    directory.broken.clear()
    complete = last(found)
    assert complete.complete
    assert ONE not in ids(complete)


# -- the loop ----------------------------------------------------------------------------------


class Looking:
    """A discovery that looks on and on, and what it hands on."""

    def __init__(self, directory: Directory, aws: dict[str, Any], **sections: Any) -> None:
        self.directory, self.log, self._sections = directory, Log(), sections
        self.adopted: list[Inventory] = []
        self.discovery = discovery(
            directory, aws, log=self.log, adopt=self.adopted.append, **sections
        )
        self._task: asyncio.Task[None] | None = None

    @property
    def polled(self) -> dict[str, tuple[str, ...]]:
        """The accounts that are polled now, each with its regions."""
        return {account.id: account.regions for account in self.adopted[-1].accounts}

    async def look(self) -> None:
        """Look anew, until tags too have been asked for."""
        self.discovery.looking = True
        await self.begin()
        await eventually(lambda: not self.discovery.looking, "a whole look")

    async def begin(self) -> None:
        """Look anew, from a new start of the loop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._task = asyncio.create_task(self.discovery.run())

    async def reload(self, aws: dict[str, Any]) -> None:
        """Look for what other settings name, in the midst of whatever is under way."""
        self.discovery.configure(settings_of(aws, self._sections), "eu-west-1")
        await self.begin()


@pytest.mark.parametrize("what", ["identity", ONE])
@in_a_loop
async def test_what_never_answers_is_given_up_with_poll_timeout(what: str) -> None:
    """Who one is, or an account's regions: not after minutes."""
    aws = {} if what == "identity" else {**STATIC, "regions": "auto"}
    looking = Looking(Directory(silent={what}), aws, poll={"timeout": "1s"})
    await looking.look()
    [told] = [fields for event, fields in looking.log.events if event != "targets_found"]
    assert told["error_code"] == "Deadline"
    assert told["error"] == "no answer within poll.timeout, 1 s"


@in_a_loop
async def test_what_a_reload_configures_waits_for_no_answer() -> None:
    """Names, labels, regions and roles of listed accounts, and new ones, though AWS is silent."""
    directory = Directory([Member(TWO, "two")])
    one: dict[str, Any] = {"id": ONE}
    looking = Looking(directory, {**ORGANIZATION, "accounts": [one]}, metrics=LABELS)
    await looking.look()
    directory.silent = {"organization"}
    labels = {"team": "written"}
    one |= {"name": "first", "labels": labels, "regions": ["us-east-1"], "role_name": ROLE}
    three = {"id": THREE}
    await looking.reload({**ORGANIZATION, "accounts": [one, three]})
    expected = {ONE: ("us-east-1",), THREE: ("eu-west-1",), TWO: ("eu-west-1",)}
    await eventually(lambda: looking.polled == expected, "what is configured")
    first = looking.adopted[-1].accounts[0]
    assert (first.name, first.labels, first.role) == ("first", labels, role(ONE))
    assert looking.adopted[-1].names == {ONE: "first", TWO: "two"}
    assert not looking.adopted[-1].complete


@pytest.mark.parametrize("what", ["broken", "silent"])
@in_a_loop
async def test_an_account_that_a_reload_takes_out_goes_whatever_aws_answers(what: str) -> None:
    """Also where the organization has never answered."""
    directory = Directory(broken={"organization"})
    one, two = {"id": ONE}, {"id": TWO}
    looking = Looking(directory, {**ORGANIZATION, "accounts": [one, two]})
    await looking.look()
    assert list(looking.polled) == [ONE, TWO]
    directory.broken, directory.silent = set(), set()
    setattr(directory, what, {"organization"})
    await looking.reload({**ORGANIZATION, "accounts": [one]})
    await eventually(lambda: list(looking.polled) == [ONE], "the second to go")
    await looking.reload({**ORGANIZATION, "accounts": []})
    await eventually(lambda: not looking.polled, "the first to go")


@in_a_loop
async def test_units_that_a_reload_takes_out_are_polled_no_longer_though_aws_is_silent() -> None:
    """Whose accounts the others hold is known."""
    directory = Directory(of_units={unit: [Member(unit[-12:], "")] for unit in UNITS})
    looking = Looking(directory, organization(include_ous=UNITS))
    await looking.look()
    directory.silent = {"organization"}
    for units in (UNITS[1:], UNITS[:1]):
        directory.asked.clear()
        await looking.reload(organization(include_ous=units))
        await eventually(lambda: "organization" in directory.asked, "being asked")
        assert list(looking.polled) == [unit[-12:] for unit in units]


@in_a_loop
async def test_a_crash_is_logged_and_ends_nothing() -> None:
    """What was found stays, and it is looked for again."""
    directory = Directory(enabled={})
    looking = Looking(directory, STATIC)
    await looking.look()
    before = looking.discovery.inventory
    await looking.reload({**STATIC, "regions": "auto"})
    await eventually(lambda: looking.discovery.inventory.failure is not None, "the crash")
    assert looking.discovery.inventory.accounts == before.accounts
    failure = looking.discovery.inventory.failure
    assert failure == Failure("other", "KeyError in the exporter itself")
    assert "discovery_crashed" in [event for event, _ in looking.log.events]
    directory.enabled[ONE] = ("eu-west-1",)
    await eventually(lambda: looking.discovery.inventory.complete, "the next look")


@in_a_loop
async def test_what_cannot_change_is_looked_for_once() -> None:
    """Accounts and regions that are listed are what they are."""
    looking = Looking(Directory(), STATIC)
    await looking.discovery.run()
    assert len(looking.adopted) == 1


UNIT = UNITS[0]
MEMBER, SUSPENDED = Member(ONE, "one"), Member("000000000009", "gone", is_active=False)


def test_whoever_organizations_lists_belongs_to_it() -> None:
    """The own, suspended and excluded accounts too, each by its name; polled are fewer."""
    directory = Directory([Member(HUB, "hub"), MEMBER, SUSPENDED, Member(TWO, "out")])
    organization = {"role_name": ROLE, "exclude_accounts": [TWO]}
    found = last(discovery(directory, {"organization": organization}))
    everyone = {HUB, ONE, SUSPENDED.id, TWO}
    assert found.organization == frozenset(everyone)
    assert found.names == {HUB: "hub", ONE: "one", SUSPENDED.id: "gone", TWO: "out"}
    assert ids(found) == [HUB, ONE]


def test_units_do_not_narrow_who_is_trusted() -> None:
    """Where the organization is trusted it is listed whole, beside the units that are polled."""
    directory = Directory([Member(HUB, ""), MEMBER, SUSPENDED], of_units={UNIT: [MEMBER]})
    aws = organization(include_ous=[UNIT])
    assert last(discovery(directory, aws)).organization is None
    assert "whole organization" not in directory.asked
    trusting = last(discovery(directory, aws, metrics={"trust_organization": True}))
    assert trusting.organization == frozenset({HUB, ONE, SUSPENDED.id})
    assert ids(trusting) == [ONE]
    # Who has left since would be trusted for ever, where nobody asks again.
    found = discovery(directory, organization())
    assert last(found).organization == frozenset({HUB, ONE, SUSPENDED.id})
    assert configure(found, aws).organization is None


def test_a_list_of_the_whole_that_is_denied_ends_no_poll_and_names_nobody_unknown() -> None:
    """Units are polled, discovery has failed, and who is trusted stays as it was last known.

    Who leaves a unit goes all the same.
    """
    directory = Directory([MEMBER, SUSPENDED], of_units={UNIT: [MEMBER, Member(TWO, "")]})
    directory.broken = {"whole organization"}
    aws = organization(include_ous=[UNIT])
    found = discovery(directory, aws, metrics={"trust_organization": True})
    denied = last(found)
    assert (denied.organization, ids(denied)) == (None, [ONE, TWO])
    assert denied.failure is not None
    # There is nothing more to find out of what is polled: the first round can end.
    assert (denied.complete, denied.last_success) == (True, 0.0)
    directory.broken = set()
    assert last(found).organization == frozenset({ONE, SUSPENDED.id})
    directory.broken = {"whole organization"}
    directory.of_units = {UNIT: [MEMBER]}
    left = last(found)
    assert (left.organization, ids(left)) == (frozenset({ONE, SUSPENDED.id}), [ONE])
    directory.broken = {"organization"}
    assert last(found).organization == frozenset({ONE, SUSPENDED.id})


LABELS = {"account_labels": ["team", "environment"]}


@in_a_loop
async def test_labels_are_those_configured_else_the_tags() -> None:
    """Key by key; of other tags nothing is kept, and only members are asked for theirs."""
    directory = Directory([MEMBER, Member(TWO, "")])
    directory.tagged = {
        ONE: {"team": "tagged", "environment": "prod", "other": "x"},
        TWO: {"other": "x"},
    }
    accounts = [{"id": ONE, "labels": {"team": "written", "unasked": "y"}}, {"id": HUB}]
    aws = {"organization": {"role_name": ROLE}, "accounts": accounts}
    looking = Looking(directory, aws, metrics=LABELS)
    await looking.look()
    labels = {each.id: each.labels for each in looking.discovery.inventory.accounts}
    assert labels == {ONE: {"team": "written", "environment": "prod"}, HUB: {}, TWO: {}}
    assert looking.adopted[-1] == looking.discovery.inventory
    assert f"tags {HUB}" not in directory.asked


@in_a_loop
async def test_tags_that_cannot_be_had_stay_as_they_were_and_keep_nobody_from_being_polled() -> (
    None
):
    """It is logged once; after three in vain no others are asked for."""
    members = [Member(f"{number:012d}", "") for number in range(1, 7)]
    directory = Directory(members)
    directory.tagged = {member.id: {"team": member.id[-1]} for member in members}
    directory.broken = {f"tags {member.id}" for member in members[1:]}
    looking = Looking(directory, organization(), metrics=LABELS)
    await looking.look()
    assert looking.adopted[1].complete
    assert [each.labels for each in looking.adopted[-1].accounts] == [{"team": "1"}, *5 * [{}]]
    event, fields = looking.log.events[-1]
    assert (event, fields["failed"]) == ("tags_unknown", 3)
    assert sum(asked.startswith("tags") for asked in directory.asked) == 4
    directory.asked.clear()
    directory.broken = {f"tags {members[0].id}"}
    directory.tagged[members[0].id] = {"team": "other"}
    await looking.look()
    teams = [each.labels["team"] for each in looking.discovery.inventory.accounts]
    assert teams == list("123456")
    # Those that were never asked for come first, then the least recently asked.
    tags = [asked for asked in directory.asked if asked.startswith("tags")]
    order = (*members[4:], *members[:4])
    assert tags == [f"tags {member.id}" for member in order]


@in_a_loop
async def test_without_keys_nobody_is_asked_for_tags() -> None:
    """Nor without an organization, whose tags they would be."""
    directory = Directory([MEMBER])
    for aws, metrics in ((organization(), {}), (STATIC, LABELS)):
        looking = Looking(directory, aws, metrics=metrics)
        await looking.look()
        assert not any(asked.startswith("tags") for asked in directory.asked)
