"""The long-running process: core and web server, reload, and the order of stopping."""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from queue import Empty

from starlette.types import ASGIApp, Receive, Scope, Send

from exporter import __version__
from exporter.check import report
from exporter.core import Configuration, Core, Ports
from exporter.files import Files, settled
from exporter.reloads import Reloads
from exporter.remedies import remedy
from exporter.settings import ConfigurationError
from exporter.settings.fields import listen_address
from exporter.settings.sources import LARGEST_FILE, Problem
from exporter.settings.written import show
from exporter.signals import Wish, Wishes
from exporter.web.app import app
from exporter.web.guard import Guard
from exporter.web.pages import routes
from exporter.web.reloading import WebRules
from exporter.web.server import Server, listen

_LONGEST_WAIT = 0.5
RELOADS_STOP_SECONDS = 0.9
POLLS_STOP_SECONDS = 2.5
WEB_STOP_SECONDS = 1.5
"""Together under five seconds, before an orchestrator loses patience."""


class Daemon:
    """Polls and serves until it is told to stop."""

    def __init__(
        self,
        configuration: Configuration,
        load: Callable[[], Configuration],
        ports: Ports,
        wishes: Wishes,
    ) -> None:
        """Bind the listening address and wire everything together; `load` is for reloads.

        Raises AddressInUseError, and ConfigurationError where the web file is wrong.
        """
        self._load, self._ports, self._wishes = load, ports, wishes
        self._configuration = configuration
        self._reloads = Reloads(self._reload)
        web = self._configuration.settings.web
        self._rules = WebRules(web.config_file, ports.clock.now, ports.lines.log)
        sock = listen(*listen_address(web.listen_address))
        self._core = Core(self._configuration, ports, self._rules.state)
        self._app = self._make_app()
        self._server = Server(
            Guard(self._answer, self._rules), sock, ports.lines.log, tls=lambda: self._rules().tls
        )

    def run(self) -> None:
        """Serve and poll until a stop is wanted, then stop both in order."""
        log = self._ports.lines.log
        self._server.start()
        self._rules.start()
        log.info("listening", port=self._server.port, version=__version__, web=str(self._rules()))
        self._core.start()
        self._reloads.start()
        while self._next_wish() is Wish.RELOAD:
            self._reloads.ask()
        log.info("stopping")
        self._reloads.stop(RELOADS_STOP_SECONDS)
        self._rules.stop()
        self._core.stop(POLLS_STOP_SECONDS)
        self._server.stop(WEB_STOP_SECONDS)
        log.info("stopped")

    def _next_wish(self) -> Wish:
        """Wait for a wish, never for long at a time.

        A signal that arrives just before the wait begins would otherwise be seen only when the next
        one ends it: Python runs handlers between instructions, and there are none while it waits.
        """
        while True:
            with contextlib.suppress(Empty):
                return self._wishes.get(timeout=_LONGEST_WAIT)

    def _reload(self) -> str | None:
        """Load the configuration anew; give the reason why it was refused, if it was.

        What is refused changes nothing: the configuration in force stays.
        """
        log = self._ports.lines.log
        try:
            configuration = self._loaded()
            self._rules.use(configuration.settings.web.config_file)
            self._take_on(configuration)
        except ConfigurationError as error:
            self._core.reload_failed()
            # No traceback: people made this mistake, and the lines say which.
            log.error("reload_failed", error="; ".join(error.lines))  # noqa: TRY400
            return str(error)
        except Exception as error:
            self._core.reload_failed()
            log.exception("reload_crashed")
            return f"{type(error).__name__} in the exporter itself"
        log.info("reloaded")
        return None

    def _loaded(self) -> Configuration:
        """Load the configuration anew, and where it names another web file, once it has settled.

        Half of it may name none, and let everybody in. Raises ConfigurationError.
        """
        configuration = self._load()
        file = configuration.settings.config.file
        old, new = (each.settings.web.config_file for each in (self._configuration, configuration))
        if new == old or not file:
            return configuration

        def load(files: Files) -> Configuration:
            files(Path(file))
            return self._load()

        try:
            return settled(load, LARGEST_FILE, self._ports.clock.now)[0]
        except OSError as error:
            line = Problem(("config", "file"), f"cannot read it: {error.strerror}", show(file))
            raise ConfigurationError([str(line)]) from None

    def _take_on(self, configuration: Configuration) -> None:
        old = self._configuration.settings.web.listen_address
        new = configuration.settings.web.listen_address
        if new != old:
            log = self._ports.lines.log
            log.warning("listen_address_kept", in_force=old, configured=new, hint="restart")
        self._configuration = configuration
        self._core.reconfigure(configuration)
        self._app = self._make_app()

    async def _reloaded(self) -> str | None:
        return await asyncio.wrap_future(self._reloads.ask())

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the application in force: a reload swaps it whole."""
        await self._app(scope, receive, send)

    def _make_app(self) -> ASGIApp:
        web = self._configuration.settings.web
        return app(
            telemetry_path=web.telemetry_path,
            exposition=self._core.exposition,
            own=self._core.telemetry,
            health=self._core,
            pages=routes(
                status=self._core.status,
                failures=self._core.snapshot.failures,
                remedy=remedy,
                configuration=lambda: report(self._configuration.settings),
                telemetry_path=web.telemetry_path,
                build=self._core.build,
            ),
            reload=self._reloaded if web.enable_lifecycle else None,
        )
