"""What commands start with: the configuration, and what connects it to this process."""

import asyncio
import random
from collections.abc import Iterator

from exporter.aws import environment
from exporter.clock import SystemClock
from exporter.commands import Process, wrong_settings
from exporter.commands.arguments import Arguments
from exporter.daemon import Configuration, Daemon, Ports
from exporter.log import Lines
from exporter.model import AwsError
from exporter.settings import ConfigurationError, Settings, load
from exporter.settings.errors import Problem, show
from exporter.settings.fields import AUTO

_ANY_REGION = "us-east-1"
"""Where STS is asked when only AWS itself can say which regions there are."""

_IDENTITY_SECONDS = 5.0
"""How long a start waits to hear whose the credentials are."""


def configuration_of(arguments: Arguments, process: Process) -> Configuration:
    """Load the settings, and the region for calls that no target's region is meant for.

    Raises ConfigurationError.
    """
    try:
        region = environment.region(process.environ)
    except environment.AwsEnvironmentError as error:
        others = wrong_settings(arguments.flags, process.environ)
        raise ConfigurationError([f"the AWS environment: {error}", *others]) from error
    settings = load(arguments.flags, process.environ, region)
    return Configuration(settings, region or next(_regions(settings), _ANY_REGION))


def refuse_strange_accounts(configuration: Configuration, ports: Ports) -> None:
    """Raise ConfigurationError for accounts without a role that the credentials do not belong to.

    Their numbers would be those of another account. Where STS does not answer, polls say why.
    """
    accounts = configuration.settings.aws.accounts
    alone = [(i, a) for i, a in enumerate(accounts) if not (a.role_arn or a.role_name)]
    own = asyncio.run(_own_account(configuration, ports)) if alone else ""
    said = (
        f"has no role, and the credentials are of account {own}: it would show that account's "
        "numbers; give it role_name or role_arn"
    )
    strange = [(("aws", "accounts", i, "id"), a.id) for i, a in alone if own and a.id != own]
    if strange:
        raise ConfigurationError(str(Problem(path, said, show(id_))) for path, id_ in strange)


async def _own_account(configuration: Configuration, ports: Ports) -> str:
    """Ask STS whose the exporter's own credentials are; empty where it does not say."""
    daemon = Daemon(configuration, ports)
    try:
        async with asyncio.timeout(_IDENTITY_SECONDS):
            return await daemon.cloud.credentials.who_am_i()
    except (AwsError, TimeoutError):
        return ""
    finally:
        await daemon.stop()


def ports_of(settings: Settings, process: Process) -> Ports:
    """Return the clock, the log and the chance that a command runs with."""
    lines = Lines(process.stderr, level=settings.log.level, form=settings.log.format)
    return Ports(SystemClock(), lines, random.Random())  # noqa: S311 -- jitter


def _regions(settings: Settings) -> Iterator[str]:
    listed = (settings.aws.regions, *(account.regions for account in settings.aws.accounts))
    return (region for regions in listed for region in regions if region != AUTO)
