"""Discovery over a directory that the tests write by hand."""

import asyncio
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from exporter.discovery import directory as directories
from exporter.discovery.directory import hint
from exporter.discovery.loop import Discovery
from exporter.log import Lines
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
MEMBER, SUSPENDED = Member(ONE, "one"), Member("000000000009", "gone", is_active=False)
LABELS = {"account_labels": ["team", "environment"]}
STATIC = {"accounts": [{"id": ONE}], "regions": ["me-south-1", "us-east-1"]}


@dataclass
class Directory:
    """Answers what the test put in; refuses what it broke, and hangs where it is told to."""

    accounts: list[Member] = field(default_factory=list)
    enabled: dict[str, tuple[str, ...]] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    tagged: dict[str, dict[str, str]] = field(default_factory=dict)
    of_units: dict[str, list[Member]] = field(default_factory=dict)

    async def who_am_i(self) -> str:
        """Tell whose the credentials are."""
        await self._ask("identity", AwsError("EndpointConnectionError", "no network"))
        return HUB

    async def members(self, units: tuple[str, ...]) -> Sequence[Member]:
        """List the accounts."""
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

    def asked_for_tags(self) -> list[str]:
        """Return the accounts whose tags were asked for."""
        return [asked[5:] for asked in self.asked if asked.startswith("tags")]

    async def _ask(self, what: str, error: AwsError) -> None:
        self.asked.append(what)
        if what in self.silent:
            await asyncio.Event().wait()
        if what in self.broken:
            raise error


class Looking:
    """A discovery that looks on and on, what it hands on, and what it tells."""

    def __init__(self, directory: Directory, aws: dict[str, Any], **sections: Any) -> None:
        self._sections = sections
        self.events: list[tuple[str, dict[str, object]]] = []
        self.adopted: list[Inventory] = []
        self.discovery = Discovery(
            self._settings(aws),
            default_region="eu-west-1",
            who_am_i=directory.who_am_i,
            organizations=directory,
            adopt=self._adopt,
            clock=ManualClock(NOW),
            log=self,
        )
        self._task: asyncio.Task[None] | None = None

    async def _adopt(self, found: Inventory) -> None:
        self.adopted.append(found)

    def warning(self, event: str, **fields: object) -> None:
        """Note an event."""
        self.events.append((event, fields))

    debug = info = error = exception = warning

    def _settings(self, aws: dict[str, Any]) -> Settings:
        return Settings.model_validate({"aws": aws, **self._sections})

    @property
    def polled(self) -> dict[str, tuple[str, ...]]:
        """The accounts that are polled now, each with its regions."""
        return {account.id: account.regions for account in self.adopted[-1].accounts}

    async def look(self, aws: dict[str, Any] | None = None) -> Inventory:
        """Look anew, for what other settings name if so; return what there is in the end."""
        self.discovery.looking = True
        await self.begin(aws)
        await eventually(lambda: not self.discovery.looking, "a whole look")
        return self.discovery.inventory

    async def until_polled(self, *account_ids: str) -> None:
        """Wait until exactly these accounts are polled."""
        await eventually(lambda: list(self.polled) == [*account_ids], "other accounts")

    async def begin(self, aws: dict[str, Any] | None = None) -> None:
        """Begin a look, in the midst of whatever is under way."""
        if aws is not None:
            self.discovery.configure(self._settings(aws), "eu-west-1")
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._task = asyncio.create_task(self.discovery.run())


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


# -- accounts ------------------------------------------------------------------------------------


@in_a_loop
async def test_the_environments_own_account_by_default() -> None:
    """Without configuration: the account of the own credentials, in the environment's region."""
    found = await Looking(Directory(), {}).look()
    assert found.accounts == (Account(HUB, regions=("eu-west-1",)),)


@in_a_loop
async def test_static_accounts_need_no_network() -> None:
    """Roles by ARN or by name, own regions or the common ones, names kept.

    They are what they are, and looked for once; without an organization there are no tags.
    """
    two = {"id": TWO, "role_arn": role(TWO).arn, "external_id": "x", "regions": ["us-west-2"]}
    aws = {
        "regions": ["eu-west-1", "us-east-1"],
        "accounts": [{"id": ONE, "name": "one", "role_name": "path/reader"}, two, {"id": HUB}],
    }
    directory = Directory()
    looking = Looking(directory, aws, metrics=LABELS)
    await looking.discovery.run()
    by_name = Role(f"arn:aws:iam::{ONE}:role/path/reader")
    accounts = (
        Account(ONE, "one", by_name, ("eu-west-1", "us-east-1")),
        Account(TWO, "", role(TWO, "x"), ("us-west-2",)),
        Account(HUB, "", None, ("eu-west-1", "us-east-1")),
    )
    names = {ONE: "one"}
    assert looking.adopted == [Inventory(accounts, names=names, complete=True, last_success=NOW)]
    assert directory.asked == []


@in_a_loop
async def test_static_accounts_win_and_exclusion_holds_for_members() -> None:
    """A static account keeps its own role and regions, and takes only the name if it has none.

    Members have the role, the account of the credentials those. To the organization belongs whoever
    it lists: suspended and excluded accounts too, each by its name. Without keys of labels nobody
    is asked for tags.
    """
    directory = Directory(
        [Member(HUB, "hub"), MEMBER, *members(TWO), Member(THREE, "out"), SUSPENDED]
    )
    static = [{"id": ONE, "regions": ["us-east-1"]}]
    excluded = organization(exclude_accounts=[ONE, THREE], external_id="x")
    found = await Looking(directory, {"accounts": static, **excluded}).look()
    assert found.accounts == (
        Account(ONE, "one", None, ("us-east-1",)),
        Account(HUB, "hub", None, ("eu-west-1",)),
        Account(TWO, "", role(TWO, "x"), ("eu-west-1",)),
    )
    assert found.organization == frozenset({HUB, ONE, TWO, THREE, SUSPENDED.id})
    assert found.names == {HUB: "hub", ONE: "one", THREE: "out", SUSPENDED.id: "gone"}
    assert not directory.asked_for_tags()


@in_a_loop
async def test_a_unit_that_is_gone_keeps_its_accounts_and_hides_no_other() -> None:
    """Discovery has failed then, by the unit's name; the other units are current all the same.

    Where Organizations has no answer, all stays, and the next unit is not asked for; static
    accounts never depend on it. An account under two units is there once.
    """
    one, two, three = UNITS
    directory = Directory(of_units={one: members(ONE), two: members(TWO), three: members(THREE)})
    directory.broken = {"organization"}
    aws = {"accounts": [{"id": HUB}], **organization(include_ous=UNITS)}
    looking = Looking(directory, aws)
    first = await looking.look()
    assert (ids(first), first.complete) == ([HUB], False)
    directory.broken = set()
    complete = await looking.look()
    assert (ids(complete), complete.complete) == ([HUB, ONE, TWO, THREE], True)
    directory.broken = {"organization"}
    directory.asked.clear()
    failed = await looking.look()
    assert failed.accounts == complete.accounts
    assert failed.failure == Failure("AccessDenied", "no", "request-9")
    assert directory.asked == ["identity", "organization"]
    directory.broken = {two}
    directory.of_units[one] = members("000000000007")
    directory.of_units[three] = members(THREE, "000000000007", "000000000008")
    gone = await looking.look()
    assert ids(gone) == [HUB, "000000000007", TWO, THREE, "000000000008"]
    assert not gone.complete
    assert gone.failure == Failure("ParentNotFoundException", f"{two}: no such parent")
    assert "include_ous" in hint(gone.failure)
    after = await looking.look({**aws, **organization(include_ous=[one, three])})
    assert ids(after) == [HUB, "000000000007", THREE, "000000000008"]
    assert after.complete


@in_a_loop
async def test_a_unit_that_was_never_there_hides_no_other_and_drops_no_account() -> None:
    """Whose accounts it meant is not known: all that were found before stay."""
    directory = Directory(members(ONE, TWO), broken={UNITS[1]})
    directory.of_units[UNITS[0]] = members(THREE)
    aws = organization(include_ous=UNITS[:2])
    for before, expected in ((aws, [THREE]), (organization(), [THREE, ONE, TWO])):
        looking = Looking(directory, before)
        await looking.look()
        found = await looking.look(aws)
        assert ids(found) == expected
        assert found.failure is not None


# -- regions -------------------------------------------------------------------------------------


@in_a_loop
async def test_regions_auto_are_each_accounts_own() -> None:
    """Every account is asked; who cannot be asked gets the default regions, and the log says so.

    Until the answer, and beside the default, they are polled where they were, as a reload to `auto`
    finds them. A denial later on does not take regions away, nor add any.
    """
    listed = {"accounts": [{"id": ONE}, {"id": TWO}, {"id": THREE}]}
    enabled = {ONE: ("eu-west-1", "me-south-1"), THREE: ()}
    directory = Directory(enabled=enabled, broken={TWO})
    looking = Looking(directory, {**listed, "regions": ["me-south-1"]})
    await looking.look()
    looking.events.clear()
    await looking.look({**listed, "regions": "auto"})
    expected = {ONE: ("eu-west-1", "me-south-1"), TWO: ("me-south-1", *DEFAULT_REGIONS)}
    assert looking.polled == expected
    [fields] = [fields for event, fields in looking.events if event == "regions_unknown"]
    assert fields["account"] == TWO
    assert "account:ListRegions" in str(fields["hint"])
    directory.broken.add(ONE)
    await looking.look()
    assert looking.polled == expected


@in_a_loop
async def test_regions_are_handed_on_while_others_are_still_asked() -> None:
    """With very many accounts the first are polled before the last have answered."""
    many = [f"{number:012d}" for number in range(150)]
    directory = Directory(members(*many), dict.fromkeys(many, ("eu-west-1",)))
    looking = Looking(directory, {"regions": "auto", **organization()})
    await looking.look()
    assert [len(one.accounts) for one in looking.adopted] == [0, 0, 32, 64, 96, 128, 150]
    assert [one.complete for one in looking.adopted] == [False] * 6 + [True]
    directory.accounts.pop()
    looking.adopted.clear()
    await looking.look()
    # What is known, at once who is there now, and in the end that this is all.
    assert [len(one.accounts) for one in looking.adopted] == [150, 149, 149]


# -- reloads -------------------------------------------------------------------------------------


@pytest.mark.parametrize("aws", [organization(), {**organization(), "accounts": [{"id": TWO}]}, {}])
@in_a_loop
async def test_what_a_reload_looks_for_in_vain_drops_nothing(aws: dict[str, Any]) -> None:
    """Until the new source answers, what was polled before stays; then only what it names does."""
    directory = Directory(members(TWO), broken={"organization", "identity"})
    looking = Looking(directory, STATIC)
    before = (await looking.look()).accounts
    failed = await looking.look(aws)
    assert failed.failure is not None
    assert {*before} <= {*failed.accounts}
    directory.broken.clear()
    complete = await looking.look()
    assert complete.complete
    assert ONE not in ids(complete)


@in_a_loop
async def test_what_a_reload_configures_waits_for_no_answer() -> None:
    """Names, labels, regions and roles of listed accounts, new ones, and units that are left out.

    Though AWS is silent: whose accounts the other units hold is known.
    """
    one, two, three = (unit[-12:] for unit in UNITS)
    directory = Directory(of_units={unit: [Member(unit[-12:], "named")] for unit in UNITS})
    account: dict[str, Any] = {"id": ONE}
    aws = {**organization(include_ous=UNITS), "accounts": [account]}
    looking = Looking(directory, aws, metrics=LABELS)
    await looking.look()
    assert list(looking.polled) == [ONE, one, two, three]
    directory.silent = {"organization"}
    labels = {"team": "written"}
    account |= {"name": "first", "labels": labels, "regions": ["us-east-1"], "role_name": ROLE}
    listed = [account, {"id": TWO}]
    for units, left in ((UNITS[1:], [two, three]), (UNITS[:1], [one])):
        await looking.begin({**organization(include_ous=units), "accounts": listed})
        await looking.until_polled(ONE, TWO, *left)
    first = looking.adopted[-1].accounts[0]
    assert first == Account(ONE, "first", role(ONE), ("us-east-1",), labels)
    names = {ONE: "first", **dict.fromkeys((one, two, three), "named")}
    assert looking.adopted[-1].names == names
    assert not looking.adopted[-1].complete


@pytest.mark.parametrize("what", ["broken", "silent"])
@in_a_loop
async def test_an_account_that_a_reload_takes_out_goes_whatever_aws_answers(what: str) -> None:
    """Also where the organization has never answered."""
    directory = Directory(broken={"organization"})
    listed = [{"id": ONE}, {"id": TWO}]
    looking = Looking(directory, {**organization(), "accounts": listed})
    await looking.look()
    assert list(looking.polled) == [ONE, TWO]
    directory.broken, directory.silent = set(), set()
    setattr(directory, what, {"organization"})
    for left in ([ONE], []):
        listed.pop()
        await looking.begin({**organization(), "accounts": listed})
        await looking.until_polled(*left)


# -- what goes wrong -----------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["identity", ONE])
@in_a_loop
async def test_what_never_answers_is_given_up_with_poll_timeout(what: str) -> None:
    """Who one is, or an account's regions: not after minutes."""
    aws = {} if what == "identity" else {**STATIC, "regions": "auto"}
    looking = Looking(Directory(silent={what}), aws, poll={"timeout": "1s"})
    await looking.look()
    [told] = [fields for event, fields in looking.events if event != "targets_found"]
    assert told["error_code"] == "Deadline"
    assert told["error"] == "no answer within poll.timeout, 1 s"


@in_a_loop
async def test_a_crash_is_logged_and_ends_nothing() -> None:
    """What was found stays, and it is looked for again."""
    directory = Directory(enabled={})
    looking = Looking(directory, STATIC)
    before = await looking.look()
    crashed = await looking.look({**STATIC, "regions": "auto"})
    assert crashed.accounts == before.accounts
    assert crashed.failure == Failure("other", "KeyError in the exporter itself")
    assert "discovery_crashed" in [event for event, _ in looking.events]
    directory.enabled[ONE] = ("eu-west-1",)
    await eventually(lambda: looking.discovery.inventory.complete, "the next look")


# -- who is trusted for belonging to the organization --------------------------------------------


@in_a_loop
async def test_units_do_not_narrow_who_is_trusted() -> None:
    """Where the organization is trusted it is listed whole, beside the units that are polled.

    Where that is denied, units are polled, discovery has failed, and who is trusted stays as it was
    last known: nobody is named unknown for it. Who leaves a unit goes all the same.
    """
    directory = Directory([MEMBER, SUSPENDED], of_units={UNITS[0]: [MEMBER, *members(TWO)]})
    directory.broken = {"whole organization"}
    aws, everyone = organization(include_ous=UNITS[:1]), frozenset({ONE, SUSPENDED.id})
    looking = Looking(directory, aws, metrics={"trust_organization": True})
    denied = await looking.look()
    assert (denied.organization, ids(denied)) == (None, [ONE, TWO])
    assert denied.failure is not None
    # There is nothing more to find out of what is polled: the first round can end.
    assert (denied.complete, denied.last_success) == (True, 0.0)
    directory.broken = set()
    healed = await looking.look()
    assert (healed.organization, healed.names) == (everyone, {ONE: "one", SUSPENDED.id: "gone"})
    directory.broken = {"whole organization"}
    directory.of_units = {UNITS[0]: [MEMBER]}
    left = await looking.look()
    assert (left.organization, ids(left)) == (everyone, [ONE])
    directory.broken = {"organization"}
    assert (await looking.look()).organization == everyone


@in_a_loop
async def test_who_is_not_trusted_for_it_is_not_kept() -> None:
    """Who has left since would be trusted for ever, where nobody asks for the whole again."""
    directory = Directory([MEMBER, SUSPENDED], of_units={UNITS[0]: [MEMBER]})
    looking = Looking(directory, organization())
    assert (await looking.look()).organization == frozenset({ONE, SUSPENDED.id})
    directory.asked.clear()
    assert (await looking.look(organization(include_ous=UNITS[:1]))).organization is None
    assert "whole organization" not in directory.asked


# -- labels --------------------------------------------------------------------------------------


@in_a_loop
async def test_labels_are_those_configured_else_the_tags() -> None:
    """Key by key; of other tags nothing is kept, and only members are asked for theirs."""
    directory = Directory([MEMBER, *members(TWO)])
    directory.tagged = {
        ONE: {"team": "tagged", "environment": "prod", "other": "x"},
        TWO: {"other": "x"},
    }
    accounts = [{"id": ONE, "labels": {"team": "written", "unasked": "y"}}, {"id": HUB}]
    looking = Looking(directory, {**organization(), "accounts": accounts}, metrics=LABELS)
    found = await looking.look()
    labels = {each.id: each.labels for each in found.accounts}
    assert labels == {ONE: {"team": "written", "environment": "prod"}, HUB: {}, TWO: {}}
    assert looking.adopted[-1] == found
    assert directory.asked_for_tags() == [ONE, TWO]


@in_a_loop
async def test_tags_that_cannot_be_had_stay_as_they_were_and_keep_nobody_from_being_polled() -> (
    None
):
    """It is logged once; after three in vain no others are asked for."""
    listed = [f"{number:012d}" for number in range(1, 7)]
    directory = Directory(members(*listed))
    directory.tagged = {each: {"team": each[-1]} for each in listed}
    directory.broken = {f"tags {each}" for each in listed[1:]}
    looking = Looking(directory, organization(), metrics=LABELS)
    found = await looking.look()
    assert looking.adopted[1].complete
    assert [each.labels for each in found.accounts] == [{"team": "1"}, *5 * [{}]]
    event, fields = looking.events[-1]
    assert (event, fields["failed"]) == ("tags_unknown", 3)
    assert directory.asked_for_tags() == listed[:4]
    directory.asked.clear()
    directory.broken = {f"tags {listed[0]}"}
    directory.tagged[listed[0]] = {"team": "other"}
    found = await looking.look()
    assert [each.labels["team"] for each in found.accounts] == list("123456")
    # Those that were never asked for come first, then the least recently asked.
    assert directory.asked_for_tags() == [*listed[4:], *listed[:4]]


@in_a_loop
async def test_the_next_look_does_not_wait_for_tags() -> None:
    """Where there is no time for all, those that were left out come first the next time."""
    directory = Directory(members(ONE, TWO, THREE))
    settings = Settings.model_validate({"aws": organization(), "metrics": LABELS})
    log = Lines(io.StringIO(), level="error", form="logfmt").log
    asking = directories.Directory(settings, directory.who_am_i, directory, log)
    await asking.ask_accounts()
    for _ in range(3):
        await asking.ask_tags(map(Account, (ONE, TWO, THREE)), anew=True, seconds=0)
    assert directory.asked_for_tags() == [ONE, TWO, THREE]
