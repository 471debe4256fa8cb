"""`serve`: polls in the background and serves the metrics, until it is told to stop."""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from exporter import __version__
from exporter.background import in_daemon
from exporter.commands import FAILED, OK, Process, complain
from exporter.commands.arguments import Arguments
from exporter.commands.check_report import WITHOUT_TRUST, as_yaml, estimate
from exporter.commands.start import configuration_of, ports_of, refuse_strange_accounts
from exporter.configuration import Configuration, Ports, trust_from
from exporter.daemon import Daemon
from exporter.files import Files, settled
from exporter.settings import ConfigurationError
from exporter.settings.errors import Problem, show
from exporter.settings.fields import listen_address
from exporter.settings.sources import LARGEST_FILE
from exporter.web.app import Places, app
from exporter.web.middleware import secured
from exporter.web.pages import Pages
from exporter.web.server import AddressInUseError, Server, listen
from exporter.web.watcher import Watcher

_WEB_STOP_SECONDS = 1.5
"""For answers under way, before an orchestrator loses patience."""

Load = Callable[[], Configuration]
"""Reads the configuration anew; raises ConfigurationError."""


def run(arguments: Arguments, process: Process) -> int:
    """Serve until told to stop; fail where the address is taken."""
    configuration = configuration_of(arguments, process)
    settings = configuration.settings
    ports = ports_of(settings, process)
    numbers = estimate(settings)
    if numbers.warning:
        ports.lines.log.warning(
            "many_series", series=numbers.series, targets=numbers.targets, hint=numbers.warning
        )

    def handle_signals(stop: Callable[[], object], reload: Callable[[], object]) -> None:
        process.handle_stop(stop)
        process.handle_hangup(reload)

    load = partial(configuration_of, arguments, process)
    try:
        asyncio.run(serve(configuration, load, ports, handle_signals))
    except AddressInUseError as error:
        complain(process, [str(error)])
        return FAILED
    return OK


async def serve(
    configuration: Configuration,
    load: Load,
    ports: Ports,
    handle_signals: Callable[[Callable[[], object], Callable[[], object]], object],
) -> None:
    """Serve until a signal stops it; `handle_signals` is given what stops and what reloads.

    Raises AddressInUseError, and ConfigurationError where the web file is wrong, or an account is
    not the credentials' own.
    """
    service = Service(configuration, load, ports)
    polling = asyncio.create_task(service.poll())
    handle_signals(polling.cancel, service.reload)
    service.start()
    await asyncio.wait([polling])
    await service.stop()
    if not polling.cancelled():
        await polling


class Service:
    """The daemon, the web server in front of it, and what reloads both."""

    def __init__(self, configuration: Configuration, load: Load, ports: Ports) -> None:
        """Bind the listening address and wire everything together; nothing runs yet.

        Raises AddressInUseError, and ConfigurationError where the web file is wrong.
        """
        self._load, self._configuration = load, configuration
        self._log, self._now = ports.lines.log, ports.clock.now
        web = configuration.settings.web
        self._web = Watcher(web.config_file, ports.clock.now, self._log)
        sock = listen(*listen_address(web.listen_address))
        self.daemon = Daemon(configuration, ports, self._web.state)
        self.daemon.own_metrics.show_process()
        self._refuse_strange_accounts = partial(
            refuse_strange_accounts, who_am_i=self.daemon.cloud.credentials.who_am_i
        )
        self._places = Places()
        self._app = self._make_app()
        self._server = Server(
            secured(self._answer, self._web.rules),
            sock,
            self._log,
            tls=lambda: self._web.rules().tls,
            handshake_refused=self.daemon.own_metrics.handshake_refused,
        )
        self._asked: asyncio.Queue[asyncio.Future[str | None]] = asyncio.Queue()
        """By whom reloads are asked for."""
        self._stopping: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()

    def start(self) -> None:
        """Serve; what is polled is not known yet."""
        self._server.start()
        self.daemon.keep("web-config", self._web.watch)
        self._log.info(
            "listening", port=self._server.port, version=__version__, web=str(self._web.rules())
        )
        self._warn_without_trust()

    async def poll(self) -> None:
        """Poll until cancelled, once STS has said whose the credentials are, or did not in time.

        Raises ConfigurationError for an account that is not their own.
        """
        await self._refuse_strange_accounts(self._configuration.settings)
        self.daemon.start()
        # Not before: a reload has the daemon look for what to poll.
        self.reload_when_asked()
        await asyncio.get_running_loop().create_future()

    async def stop(self) -> None:
        """Stop in order: polls and reloads are cut off, answers under way have their time."""
        self._log.info("stopping")
        self._stopping.cancel()
        await self.daemon.stop()
        await self._server.stop(_WEB_STOP_SECONDS)
        self._log.info("stopped")

    def reload(self) -> "asyncio.Future[str | None]":
        """Ask for the configuration to be loaded anew.

        The future gives the reason why it was refused, if it was; nothing once this is stopped.
        """
        asked: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._asked.put_nowait(asked)
        return asked

    def reload_when_asked(self) -> None:
        """Reload from now on, one at a time: one serves all who asked before it began."""
        self.daemon.keep("reloads", self._keep_reloading)

    async def _keep_reloading(self) -> None:
        while True:
            asked = [await self._asked.get()]
            asked += [self._asked.get_nowait() for _ in range(self._asked.qsize())]
            outcome = await self._reload()
            for each in asked:
                each.set_result(outcome)

    async def _reloaded(self) -> str | None:
        asked = self.reload()
        await asyncio.wait([asked, self._stopping], return_when=asyncio.FIRST_COMPLETED)
        return asked.result() if asked.done() else "the exporter is stopping"

    async def _reload(self) -> str | None:
        """Reload; what is refused changes nothing: the configuration in force stays."""
        try:
            configuration = await in_daemon(self._loaded)
            await self._refuse_strange_accounts(configuration.settings)
            await self._web.use(configuration.settings.web.config_file)
            self._take_on(configuration)
            await self.daemon.taken_on()
        except ConfigurationError as error:
            refusal = "; ".join(error.lines)
            self.daemon.reload_failed(refusal)
            # No traceback: people made this mistake, and the lines say which.
            self._log.error("reload_failed", error=refusal)
            return str(error)
        except Exception as error:  # noqa: BLE001 -- logged; the configuration in force stays
            refusal = f"{type(error).__name__} in the exporter itself"
            self.daemon.reload_failed(refusal)
            self._log.exception("reload_crashed")
            return refusal
        self._log.info("reloaded")
        return None

    def _loaded(self) -> Configuration:
        """Load the configuration anew.

        Where it names another web file, it is read once it has settled: half of it may name none,
        and let everybody in. Raises ConfigurationError.
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
            return settled(load, LARGEST_FILE, self._now)[0]
        except OSError as error:
            line = Problem(("config", "file"), f"cannot read it: {error.strerror}", show(file))
            raise ConfigurationError([str(line)]) from None

    def _take_on(self, configuration: Configuration) -> None:
        old = self._configuration.settings.web.listen_address
        new = configuration.settings.web.listen_address
        if new != old:
            self._log.warning("listen_address_kept", in_force=old, configured=new, hint="restart")
        self._configuration = configuration
        self.daemon.configure(configuration)
        self._warn_without_trust()
        self._app = self._make_app()

    def _warn_without_trust(self) -> None:
        if not trust_from(self._configuration.settings).configured:
            self._log.warning("trust_not_configured", hint=WITHOUT_TRUST)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the application in force: a reload swaps it whole."""
        await self._app(scope, receive, send)

    def _make_app(self) -> ASGIApp:
        web, daemon = self._configuration.settings.web, self.daemon
        return app(
            telemetry_path=web.telemetry_path,
            exposition=daemon.exposition,
            own=daemon.own_metrics,
            health=daemon,
            pages=Pages(
                status=daemon.status,
                failures=daemon.snapshot.failures,
                configuration=lambda: as_yaml(self._configuration.settings),
                telemetry_path=web.telemetry_path,
                build=daemon.build,
            ).routes(self._places),
            reload=self._reloaded if web.enable_lifecycle else None,
        )
