"""The exporter at ten times its pace: `python -m tests.soak.daemon FILE`. Intervals are tenths."""

import asyncio
import os
import random
import sys
from collections.abc import Callable
from datetime import timedelta

from exporter.clock import SystemClock
from exporter.commands.process import handle_hangup, handle_stop
from exporter.commands.serve import serve
from exporter.configuration import Configuration, Ports
from exporter.log import Lines
from exporter.settings import Settings, load
from tests.daemons import polling

INTERVAL = 1.0
"""Seconds; the file says ten times as many, which is the shortest that anybody may configure."""


def faster(settings: Settings) -> Settings:
    """Shorten what settings would not let anybody shorten."""
    quick = polling(settings, interval=INTERVAL, stale_after=3 * INTERVAL, timeout=2 * INTERVAL)
    assert quick.aws.organization is not None
    often = {"refresh_interval": timedelta(seconds=INTERVAL)}
    found = quick.aws.organization.model_copy(update=often)
    return quick.model_copy(update={"aws": quick.aws.model_copy(update={"organization": found})})


def main() -> None:
    """Serve until a signal."""
    region = os.environ["AWS_REGION"]

    def loaded() -> Configuration:
        flags = [("config.file", sys.argv[1]), ("web.listen-address", "127.0.0.1:0")]
        return Configuration(faster(load(flags, os.environ, region)), region)

    def handle_signals(stop: Callable[[], object], reload: Callable[[], object]) -> None:
        handle_stop(stop)
        handle_hangup(reload)

    lines = Lines(sys.stderr, level="info", form="logfmt")
    ports = Ports(SystemClock(), lines, random.Random(1))
    asyncio.run(serve(loaded(), loaded, ports, handle_signals))


if __name__ == "__main__":
    main()
