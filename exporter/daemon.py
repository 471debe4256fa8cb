"""The long-running process: the core behind a web server, signals, and the order of stopping."""

import os
import signal
from collections.abc import Callable
from types import FrameType

from exporter import __version__
from exporter.core import Core, Ports
from exporter.settings import Settings
from exporter.settings.fields import listen_address
from exporter.web.app import app
from exporter.web.server import Server, listen

POLLS_STOP_SECONDS = 2.5
WEB_STOP_SECONDS = 1.5
"""Together under five seconds, before an orchestrator loses patience."""


class Daemon:
    """Polls and serves until it is told to stop."""

    def __init__(self, settings: Settings, ports: Ports, *, default_region: str) -> None:
        """Bind the listening address and wire everything together.

        Raises AddressInUseError.
        """
        self._ports = ports
        sock = listen(*listen_address(settings.web.listen_address))
        self._core = Core(settings, ports, default_region=default_region)
        self._server = Server(
            app(
                telemetry_path=settings.web.telemetry_path,
                version=__version__,
                exposition=self._core.exposition,
                own=self._core.telemetry,
                health=self._core,
            ),
            sock,
        )

    def run(self) -> None:
        """Serve and poll until the stop is set, then stop both in order."""
        log = self._ports.log
        self._server.start()
        log.info("listening", port=self._server.port, version=__version__)
        self._core.start()
        self._ports.stop.wait()
        log.info("stopping")
        self._core.stop(POLLS_STOP_SECONDS)
        self._server.stop(WEB_STOP_SECONDS)
        log.info("stopped")


def stop_on_signals(stop: Callable[[], None], is_stopping: Callable[[], bool]) -> None:
    """Have SIGTERM and SIGINT stop the process in order, and a second one stop it at once."""

    def handle(number: int, _: FrameType | None) -> None:
        if is_stopping():
            os._exit(128 + number)
        stop()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)
