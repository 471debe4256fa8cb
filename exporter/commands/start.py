"""What commands start with: the configuration, this process, and whose credentials there are."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator

from exporter.aws import environment
from exporter.clock import SystemClock
from exporter.commands import Process
from exporter.commands.arguments import Arguments
from exporter.configuration import Configuration, Ports
from exporter.log import Lines
from exporter.model import AwsError
from exporter.settings import ConfigurationError, Settings, load
from exporter.settings.errors import Problem, show
from exporter.settings.fields import AUTO

WhoAmI = Callable[[], Awaitable[str]]
"""Asks STS for the account of the exporter's own credentials; raises AwsError."""

_ANY_REGION = "us-east-1"
"""Where STS is asked when only AWS itself can say which regions there are."""

_IDENTITY_SECONDS = 5.0
"""How long a start waits to hear it."""


def configuration_of(arguments: Arguments, process: Process) -> Configuration:
    """Load the settings, and the region for calls that no target's region is meant for.

    Raises ConfigurationError.
    """
    region, wrong = None, []
    try:
        region = environment.region(process.environ)
    except environment.AwsEnvironmentError as error:
        wrong = [f"the AWS environment: {error}"]
    settings = load(arguments.flags, process.environ, region, wrong)
    return Configuration(settings, region or next(_regions(settings), _ANY_REGION))


def ports_of(settings: Settings, process: Process) -> Ports:
    """Return the clock, the log and the chance that a command runs with."""
    lines = Lines(process.stderr, level=settings.log.level, form=settings.log.format)
    return Ports(SystemClock(), lines, random.Random())  # noqa: S311 -- jitter


def _regions(settings: Settings) -> Iterator[str]:
    listed = (settings.aws.regions, *(account.regions for account in settings.aws.accounts))
    return (region for regions in listed for region in regions if region != AUTO)


async def refuse_strange_accounts(settings: Settings, who_am_i: WhoAmI) -> None:
    """Raise ConfigurationError for accounts without a role that the credentials do not belong to.

    Their numbers would be those of another account. Where STS does not answer, polls say why.
    """
    accounts = enumerate(settings.aws.accounts)
    alone = [(i, account.id) for i, account in accounts if not account.role]
    own = await _own_account(who_am_i) if alone else ""
    strange = [(i, account_id) for i, account_id in alone if own and account_id != own]
    if strange:
        said = (
            f"has no role, and the credentials are of account {own}: it would show that account's "
            "numbers; give it role_name or role_arn"
        )
        places = ((("aws", "accounts", i, "id"), show(account_id)) for i, account_id in strange)
        raise ConfigurationError(str(Problem(path, said, shown)) for path, shown in places)


async def _own_account(who_am_i: WhoAmI) -> str:
    """Ask STS whose the exporter's own credentials are; empty where it does not say."""
    try:
        async with asyncio.timeout(_IDENTITY_SECONDS):
            return await who_am_i()
    except (AwsError, TimeoutError):
        return ""
