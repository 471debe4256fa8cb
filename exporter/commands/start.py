"""What commands start with: the configuration, and what connects it to this process."""

import random
from collections.abc import Iterator

from exporter.aws import environment
from exporter.clock import SystemClock
from exporter.commands import Process, wrong_settings
from exporter.commands.arguments import Arguments
from exporter.configuration import Configuration, Ports
from exporter.log import Lines
from exporter.settings import ConfigurationError, Settings, load
from exporter.settings.fields import AUTO

_ANY_REGION = "us-east-1"
"""Where STS is asked when only AWS itself can say which regions there are."""


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


def ports_of(settings: Settings, process: Process) -> Ports:
    """Return the clock, the log and the chance that a command runs with."""
    lines = Lines(process.stderr, level=settings.log.level, form=settings.log.format)
    return Ports(SystemClock(), lines, random.Random())  # noqa: S311 -- jitter


def _regions(settings: Settings) -> Iterator[str]:
    listed = (settings.aws.regions, *(account.regions for account in settings.aws.accounts))
    return (region for regions in listed for region in regions if region != AUTO)
