"""Whose the exporter's own credentials are, before anything is polled with them."""

import asyncio

from exporter.configuration import Configuration, Ports
from exporter.daemon import Daemon
from exporter.model import AwsError
from exporter.settings import ConfigurationError
from exporter.settings.errors import Problem, show

_IDENTITY_SECONDS = 5.0
"""How long a start waits to hear it."""


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
