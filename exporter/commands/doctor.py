"""`doctor`: tries every step for every target, and says of each failure what would mend it."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace

from exporter.aws.cloud import Cloud
from exporter.clock import Clock
from exporter.commands import FAILED, OK, Process
from exporter.commands.arguments import Arguments
from exporter.commands.report import WITHOUT_TRUST
from exporter.commands.start import configuration_of, ports_of, refuse_strange_accounts
from exporter.commands.steps import Step, as_json, as_table
from exporter.commands.terminal import Tell, progress
from exporter.configuration import Configuration, Ports, trust_from
from exporter.daemon import Daemon
from exporter.discovery.directory import hint
from exporter.discovery.loop import Discovery
from exporter.error_codes import hint_of
from exporter.iam.remedies import allow, assume_role
from exporter.model import Account, AwsError, Failure, Inventory, Target
from exporter.settings import Settings
from exporter.settings.fields import AUTO

_STEP_SECONDS = 60.0
_AT_ONCE = 16
"""Accounts that are looked at together."""
_LIST_REGIONS = "account:ListRegions"
DENIED = frozenset({"AccessDenied", "AccessDeniedException"})


def run(arguments: Arguments, process: Process) -> int:
    """Print what was tried; fail if anything failed."""
    form = arguments.choice("format", ("table", "json"))
    if form == "table" and arguments.choice("verbose", ("false", "true")) == "true":
        form = "whole table"
    configuration = configuration_of(arguments, process)
    wanted = arguments.listed("account"), arguments.listed("region")
    with progress("accounts", process.stderr, process.environ) as (tell, stderr):
        ports = ports_of(configuration.settings, replace(process, stderr=stderr))
        report, healthy = asyncio.run(consult(configuration, ports, *wanted, form=form, tell=tell))
    process.stdout.write(report)
    return OK if healthy else FAILED


class Doctor:
    """Tries what the exporter does, and says of each failure what is missing."""

    def __init__(self, cloud: Cloud, clock: Clock, settings: Settings) -> None:
        """Try what the settings ask for."""
        self._cloud, self._clock = cloud, clock
        self._asks_regions = _asks_regions(settings)
        self._discovers = settings.discovers
        self._asks_administrator = settings.metrics.administrator.enabled
        self.asks_tags = bool(settings.metrics.account_labels and settings.aws.organization)

    async def own_credentials(self) -> Step:
        """Find out who the exporter is to AWS."""
        return await self._try(Step("", "", "own credentials"), self._who_am_i(), _own_remedy)

    async def discovery(self, discovery: Discovery) -> tuple[Inventory, list[Step]]:
        """Find what there is to poll; a step says how that went, where AWS decides it."""
        started = self._clock.monotonic()
        failure = await discovery.look()
        found = discovery.inventory
        seconds = round(self._clock.monotonic() - started, 3)
        step = Step("", "", "discovery", seconds=seconds)
        if failure is not None:
            policy = "; `iam` prints that policy" if failure.code in DENIED else ""
            return found, [_failed(step, failure, hint(failure) + policy)]
        detail = f"{len(found.accounts)} accounts, {len(found.targets())} targets"
        return found, [replace(step, detail=detail)] if self._discovers else []

    async def account(self, account: Account, regions: Sequence[str]) -> list[Step]:
        """Look at one account: its role, its regions, and its invitations in each region."""
        steps = []
        if account.role is not None:
            step, remedy = Step(account.id, "", "AssumeRole"), assume_role(account.role)
            steps.append(await self._try(step, self._assume(account), _if_denied(remedy)))
            if not steps[0].ok:
                return steps
        if self._asks_regions(account):
            step, remedy = Step(account.id, "", "ListRegions"), allow(_LIST_REGIONS, account)
            steps.append(await self._try(step, self._regions(account), _if_denied(remedy)))
        listing = _if_denied(allow("macie2:ListInvitations", account))
        asking = _if_denied(allow("macie2:GetAdministratorAccount", account))
        for region in regions:
            step, read = Step(account.id, region, "ListInvitations"), self._read(account, region)
            steps.append(await self._try(step, read, listing))
            if self._asks_administrator and steps[-1].ok:
                step = Step(account.id, region, "GetAdministratorAccount")
                read = self._administrator(account, region)
                steps.append(await self._try(step, read, asking))
        return steps

    async def tags(self, account: Account) -> Step:
        """Look up the tags of an account in Organizations."""
        step = Step(account.id, "", "ListTagsForResource")
        return await self._try(step, self._tags(account), hint)

    async def _who_am_i(self) -> str:
        return (await self._cloud.credentials.identity()).arn

    async def _assume(self, account: Account) -> str:
        await self._cloud.credentials.for_account(account)
        return account.role.arn if account.role else ""

    async def _regions(self, account: Account) -> str:
        return ", ".join(await self._cloud.organizations.regions(account))

    async def _read(self, account: Account, region: str) -> str:
        answer = await self._cloud.macie.read(account, region)
        listed = f"{len(answer.invitations)} invitations"
        return listed if answer.enabled else "Macie is not enabled"

    async def _administrator(self, account: Account, region: str) -> str:
        answer = await self._cloud.macie.read(account, region, administrator=True)
        if answer.administrator is None:
            return "Macie is not enabled"
        return answer.administrator.account_id or "none"

    async def _tags(self, account: Account) -> str:
        return f"{len(await self._cloud.organizations.tags(account.id))} tags"

    async def _try(
        self, step: Step, action: Awaitable[str], remedy: Callable[[Failure], str]
    ) -> Step:
        started = self._clock.monotonic()
        try:
            async with asyncio.timeout(_STEP_SECONDS):
                done = replace(step, detail=await action)
        except TimeoutError:
            failure = Failure("Deadline", f"no answer within {_STEP_SECONDS:g} s")
            done = _failed(step, failure, remedy(failure))
        except AwsError as error:
            done = _failed(step, error.failure, remedy(error.failure))
        return replace(done, seconds=round(self._clock.monotonic() - started, 3))


def _failed(step: Step, failure: Failure, remedy: str) -> Step:
    return replace(step, ok=False, detail=failure.message, error_code=failure.code, remedy=remedy)


async def consult(
    configuration: Configuration,
    ports: Ports,
    accounts: Collection[str],
    regions: Collection[str],
    *,
    form: str,
    tell: Tell,
) -> tuple[str, bool]:
    """Look at the targets, or at those of some accounts and regions; tell of each account.

    Return the report, as a `table`, a `whole table` or `json`, and whether everything works.
    """
    daemon = Daemon(configuration, ports)
    settings = configuration.settings
    doctor = Doctor(daemon.cloud, ports.clock, settings)
    try:
        await refuse_strange_accounts(settings, daemon.cloud.credentials.who_am_i)
        steps, targets = await _steps(doctor, daemon, accounts, regions, tell)
    finally:
        await daemon.stop()
    healthy = all(step.ok for step in steps)
    if form == "json":
        return as_json(steps), healthy
    report = as_table(steps, targets, whole=form == "whole table")
    if not trust_from(settings).configured:
        report += f"\nWarning: {WITHOUT_TRUST}.\n"
    return report, healthy


async def _steps(
    doctor: Doctor,
    daemon: Daemon,
    accounts: Collection[str],
    regions: Collection[str],
    tell: Tell,
) -> tuple[list[Step], Collection[Target]]:
    steps = [await doctor.own_credentials()]
    if steps[0].error_code == "CredentialsError":
        # Whatever else is tried would fail for the same reason.
        return steps, []
    found, discovered = await doctor.discovery(daemon.discovery)
    steps += discovered
    members = found.organization or found.names
    if doctor.asks_tags:
        tagged = [account for account in found.accounts if account.id in members][:1]
        steps += [await doctor.tags(account) for account in tagged]
    chosen = [
        (account, [region for region in account.regions if not regions or region in regions])
        for account in found.accounts
        if not accounts or account.id in accounts
    ]
    targets = [Target(account.id, region) for account, own in chosen for region in own]
    if all(step.ok for step in discovered):  # Else nobody knows what is missing.
        missing = {*accounts} - {account.id for account in found.accounts}
        steps += [_not_found(account) for account in sorted(missing)]
        unknown = {*regions} - {target.region for target in targets}
        steps += [_not_found(region=region) for region in sorted(unknown)]
    return steps + await _examined(doctor, chosen, tell), targets


async def _examined(
    doctor: Doctor, accounts: Sequence[tuple[Account, Sequence[str]]], tell: Tell
) -> list[Step]:
    """Look at accounts, several at once; steps in the order of the accounts."""
    places, done = asyncio.Semaphore(_AT_ONCE), 0

    async def look(account: Account, regions: Sequence[str]) -> list[Step]:
        nonlocal done
        async with places:
            tried = await doctor.account(account, regions)
        steps = [replace(step, name=account.name) for step in tried]
        done += 1
        tell(done, len(accounts))
        return steps

    tell(0, len(accounts))
    looked_at = await asyncio.gather(*(look(*one) for one in accounts))
    return [step for steps in looked_at for step in steps]


def _own_remedy(failure: Failure) -> str:
    return hint_of(failure, "sts")


def _if_denied(remedy: str) -> Callable[[Failure], str]:
    """Return the statement that is missing where AWS denied it, else what the error's row says."""

    def said(failure: Failure) -> str:
        return remedy if failure.code in DENIED and not failure.own else hint_of(failure)

    return said


def _asks_regions(settings: Settings) -> Callable[[Account], bool]:
    own = {account.id: account.regions for account in settings.aws.accounts}
    return lambda account: (own.get(account.id) or settings.aws.regions) == (AUTO,)


def _not_found(account: str = "", region: str = "") -> Step:
    failure = Failure("", f"not among the {'accounts' if account else 'regions'} to poll")
    of_account = "configure it, or look whether it is suspended, excluded or another shard's"
    of_region = "configure it, or look whether it is misspelled or not enabled in the account"
    step = Step(account, region, "discovery")
    return _failed(step, failure, of_account if account else of_region)
