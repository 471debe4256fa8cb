"""`doctor`: tries every step for every target, and says of each failure what would mend it."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

from exporter.aws.cloud import Cloud
from exporter.clock import Clock
from exporter.commands import FAILED, OK, Process, number
from exporter.commands.arguments import Arguments
from exporter.commands.check_report import WITHOUT_TRUST
from exporter.commands.doctor_report import ROLE, Step, as_json, as_table
from exporter.commands.start import configuration_of, ports_of, refuse_strange_accounts
from exporter.commands.terminal import Tell, progress
from exporter.configuration import Configuration, Ports, trust_from
from exporter.daemon import Daemon
from exporter.discovery.directory import hint
from exporter.discovery.loop import Discovery
from exporter.error_codes import hint_of
from exporter.iam.remedies import remedy
from exporter.model import Account, Answer, AwsError, Failure, Inventory, Target
from exporter.settings import Settings
from exporter.settings.fields import AUTO

T = TypeVar("T")

_STEP_SECONDS = 60.0
_AT_ONCE = 16
"""Accounts that are looked at together."""
_DENIED = frozenset({"AccessDenied", "AccessDeniedException"})


def run(arguments: Arguments, process: Process) -> int:
    """Print what was tried; fail if anything failed."""
    form = arguments.matching("format", "table|json")
    whole = arguments.matching("verbose", "true|false") == "true"
    configuration = configuration_of(arguments, process)
    wanted = arguments.listed("account"), arguments.listed("region")
    with progress("accounts", process.stderr, process.environ) as (tell, stderr):
        ports = ports_of(configuration.settings, replace(process, stderr=stderr))
        steps, targets = asyncio.run(examine(configuration, ports, *wanted, tell))
    if form == "json":
        process.stdout.write(as_json(steps))
    else:
        process.stdout.write(as_table(steps, targets, whole=whole))
        if not trust_from(configuration.settings).configured:
            process.stdout.write(f"\nWarning: {WITHOUT_TRUST}.\n")
    return OK if all(step.ok for step in steps) else FAILED


async def examine(
    configuration: Configuration,
    ports: Ports,
    accounts: Collection[str],
    regions: Collection[str],
    tell: Tell,
) -> tuple[Sequence[Step], Collection[Target]]:
    """Look at the targets, or at those of some accounts and regions; tell of each account."""
    daemon = Daemon(configuration, ports)
    doctor = Doctor(daemon.cloud, ports.clock, configuration.settings)
    try:
        await refuse_strange_accounts(configuration.settings, daemon.cloud.credentials.who_am_i)
        steps = [await doctor.own_credentials()]
        if steps[0].error_code == "CredentialsError":
            # Whatever else is tried would fail for the same reason.
            return steps, []
        found, discovered = await doctor.discovery(daemon.discovery)
        steps += discovered
        asked = [each for each in found.accounts if not accounts or each.id in accounts]
        narrowed = (
            replace(each, regions=tuple(r for r in each.regions if not regions or r in regions))
            for each in asked
        )
        # No role is assumed for regions in which nothing is polled.
        chosen = [each for each in narrowed if each.regions]
        targets = [Target(each.id, region) for each in chosen for region in each.regions]
        if all(step.ok for step in discovered[:1]):  # Else nobody knows what is missing.
            unknown = {*accounts} - {each.id for each in found.accounts}
            steps += [_not_found(Step(each, "", "discovery"), "accounts") for each in unknown]
            unknown = {*regions} - {each.region for each in targets} if asked else set()
            steps += [_not_found(Step("", each, "discovery"), "regions") for each in unknown]
        return steps + await _each(doctor, chosen, tell), targets
    finally:
        await daemon.stop()


async def _each(doctor: "Doctor", accounts: Sequence[Account], tell: Tell) -> list[Step]:
    """Look at accounts, several at once; steps in the order of the accounts."""
    places, done = asyncio.Semaphore(_AT_ONCE), 0

    async def look(account: Account) -> list[Step]:
        nonlocal done
        async with places:
            tried = await doctor.account(account)
        done += 1
        tell(done, len(accounts))
        return [replace(step, name=account.name) for step in tried]

    tell(0, len(accounts))
    looked_at = await asyncio.gather(*map(look, accounts))
    return [step for steps in looked_at for step in steps]


@dataclass(frozen=True)
class Doctor:
    """Tries what the exporter does, and says of each failure what is missing."""

    cloud: Cloud
    clock: Clock
    settings: Settings

    @cached_property
    def _configured(self) -> Mapping[str, tuple[str, ...]]:
        return {account.id: account.regions for account in self.settings.aws.accounts}

    async def own_credentials(self) -> Step:
        """Find out who the exporter is to AWS."""
        asked = self.cloud.credentials.identity()
        step = Step("", "", "own credentials")
        return await self._try(step, asked, lambda who: who.arn, lambda e: hint_of(e, "sts"))

    async def discovery(self, discovery: Discovery) -> tuple[Inventory, list[Step]]:
        """Find what there is to poll; steps say how that went, where AWS decides it."""
        started = self.clock.monotonic()
        failure = await discovery.look()
        found = discovery.inventory
        step = Step("", "", "discovery", seconds=round(self.clock.monotonic() - started, 3))
        if failure is not None:
            policy = "; `iam` prints that policy" if failure.code in _DENIED else ""
            steps = [_failed(step, failure, hint(failure) + policy)]
        else:
            targets = number(len(found.targets()), "target")
            detail = f"{number(len(found.accounts), 'account')}, {targets}"
            steps = [replace(step, detail=detail)] if self.settings.discovers else []
        if self.settings.metrics.account_labels and self.settings.aws.organization:
            members = found.organization or found.names
            tagged = [account.id for account in found.accounts if account.id in members][:1]
            steps += [await self._tags(account_id) for account_id in tagged]
        return found, steps

    async def account(self, account: Account) -> list[Step]:
        """Look at one account: its role, its regions, and its invitations in each region."""
        steps: list[Step] = []

        async def attempt(step: Step, asked: Awaitable[T], said: Callable[[T], str]) -> None:
            def mends(failure: Failure) -> str:
                return remedy(account, failure, self.settings).text

            steps.append(await self._try(step, asked, said, mends))

        if role := account.role:
            assumed = self.cloud.credentials.for_account(account)
            await attempt(Step(account.id, "", ROLE), assumed, lambda _: role.arn)
            if not steps[0].ok:
                return steps
        if (self._configured.get(account.id) or self.settings.aws.regions) == (AUTO,):
            listed = self.cloud.organizations.regions(account)
            await attempt(Step(account.id, "", "ListRegions"), listed, ", ".join)
        administrator = self.settings.metrics.administrator.enabled
        for region in account.regions:
            read = self.cloud.macie.read(account, region, administrator=administrator)
            await attempt(Step(account.id, region, "ListInvitations"), read, _seen)
        return steps

    async def _tags(self, account_id: str) -> Step:
        tags = self.cloud.organizations.tags(account_id)
        step = Step(account_id, "", "ListTagsForResource")
        return await self._try(step, tags, lambda found: number(len(found), "tag"), hint)

    async def _try(
        self,
        step: Step,
        asked: Awaitable[T],
        said: Callable[[T], str],
        mends: Callable[[Failure], str],
    ) -> Step:
        started = self.clock.monotonic()
        try:
            async with asyncio.timeout(_STEP_SECONDS):
                done = replace(step, detail=said(await asked))
        except TimeoutError:
            failure = Failure("Deadline", f"no answer within {_STEP_SECONDS:g} s")
            done = _failed(step, failure, mends(failure))
        except AwsError as error:
            done = _failed(step, error.failure, mends(error.failure))
        return replace(done, seconds=round(self.clock.monotonic() - started, 3))


def _seen(answer: Answer) -> str:
    if not answer.enabled:
        return "Macie is not enabled"
    listed = number(len(answer.invitations), "invitation")
    if answer.administrator is None:
        return listed
    return f"{listed}, administrator {answer.administrator.account_id or 'none'}"


_NOT_FOUND = {
    "accounts": "configure it, or look whether it is suspended, excluded or another shard's",
    "regions": "configure it, or look whether it is misspelled or not enabled in the account",
}


def _not_found(step: Step, what: str) -> Step:
    return _failed(step, Failure("", f"not among the {what} to poll"), _NOT_FOUND[what])


def _failed(step: Step, failure: Failure, remedy: str) -> Step:
    return replace(step, ok=False, detail=failure.message, error_code=failure.code, remedy=remedy)
