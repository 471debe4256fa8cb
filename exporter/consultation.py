"""The command `doctor` from a configuration to its report."""

from collections.abc import Callable, Collection
from itertools import count

from exporter.core import DISCOVERY_SECONDS, Configuration, Core, Ports
from exporter.discovery import hint
from exporter.doctor import DENIED, Doctor, Step, as_json, as_table, examine
from exporter.model import Account, Failure
from exporter.parallel import in_parallel
from exporter.settings import Settings
from exporter.settings.fields import AUTO
from exporter.terminal import Tell


def consult(
    configuration: Configuration,
    ports: Ports,
    accounts: Collection[str],
    regions: Collection[str],
    *,
    form: str,
    tell: Tell,
) -> tuple[str, bool]:
    """Look at the targets, or at those of some accounts and regions; tell of each account.

    Give the report, as a table or as JSON, and whether everything works.
    """
    core = Core(configuration, ports)
    doctor = Doctor(core.cloud, ports.clock, asks_regions=_asks_regions(configuration.settings))
    steps = [doctor.own_credentials()]
    found, failure = _find(core, ports)
    if failure is not None:
        steps.append(_discovery_step(failure))
    chosen = [
        (account, [region for region in account.regions if not regions or region in regions])
        for account in found
        if not accounts or account.id in accounts
    ]
    steps += [_not_found(account) for account in sorted({*accounts} - {a.id for a in found})]
    tried = {region for _, looked_at in chosen for region in looked_at}
    steps += [_not_found(region=region) for region in sorted({*regions} - tried)]
    done = count(1)
    tell(0, len(chosen))
    steps += examine(doctor, chosen, lambda: tell(next(done), len(chosen)), in_parallel)
    core.cloud.close()
    report = as_json(steps) if form == "json" else as_table(steps)
    return report, all(step.ok for step in steps)


def _find(core: Core, ports: Ports) -> tuple[tuple[Account, ...], Failure | None]:
    *_, last = core.discovery.find(ports.clock.monotonic() + DISCOVERY_SECONDS)
    return last.inventory.accounts, last.failure


def _asks_regions(settings: Settings) -> Callable[[Account], bool]:
    own = {account.id: account.regions for account in settings.aws.accounts}
    return lambda account: (own.get(account.id) or settings.aws.regions) == (AUTO,)


def _discovery_step(failure: Failure) -> Step:
    policy = "; `iam` prints that policy" if failure.code in DENIED else ""
    return Step(
        "",
        "",
        "discovery",
        ok=False,
        seconds=0.0,
        detail=failure.message,
        error_code=failure.code,
        remedy=hint(failure) + policy,
    )


def _not_found(account: str = "", region: str = "") -> Step:
    of_account = "configure it, or look whether it is suspended, excluded or another shard's"
    of_region = "configure it, or look whether it is misspelled or not enabled in the account"
    return Step(
        account,
        region,
        "discovery",
        ok=False,
        seconds=0.0,
        detail=f"not among the {'accounts' if account else 'regions'} to poll",
        error_code="-",
        remedy=of_account if account else of_region,
    )
