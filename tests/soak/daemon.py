"""The exporter at ten times its pace: `python -m tests.soak.daemon FILE`. Intervals are tenths."""

import os
import random
import sys
from datetime import timedelta

from exporter.core import Configuration, Ports

from exporter.clock import Stop, SystemClock
from exporter.daemon import Daemon
from exporter.log import Lines
from exporter.settings import Settings, load
from exporter.signals import Wishes, handle_hangup, handle_stop

FACTOR = 10


def faster(settings: Settings) -> Settings:
    """Shorten what settings would not let anybody shorten."""
    poll, organization = settings.poll, settings.aws.organization
    assert organization is not None
    quick = poll.model_copy(
        update={
            "interval": poll.interval / FACTOR,
            "stale_after": poll.stale_after / FACTOR,
            "timeout": timedelta(seconds=2),
        }
    )
    often = {"refresh_interval": organization.refresh_interval / FACTOR}
    found = organization.model_copy(update=often)
    aws = settings.aws.model_copy(update={"organization": found})
    return settings.model_copy(update={"poll": quick, "aws": aws})


def main() -> None:
    """Serve until a signal."""
    region = os.environ["AWS_REGION"]

    def loaded() -> Configuration:
        flags = [("config.file", sys.argv[1]), ("web.listen-address", "127.0.0.1:0")]
        return Configuration(faster(load(flags, os.environ, region)), region)

    stop, wishes = Stop(), Wishes()
    handle_hangup(wishes)
    handle_stop(stop, wishes)
    configuration = loaded()
    lines = Lines(sys.stderr, level="info", form="logfmt")
    ports = Ports(SystemClock(), stop, lines, random.Random(1))
    Daemon(configuration, loaded, ports, wishes).run()


if __name__ == "__main__":
    main()
