"""Whose the exporter's own credentials are, before anything is polled with them."""

import asyncio

from exporter.daemon import Daemon
from exporter.model import AwsError
from exporter.settings import ConfigurationError, Settings
from exporter.settings.errors import Problem, show

_IDENTITY_SECONDS = 5.0
"""How long a start waits to hear it."""


async def refuse_strange_accounts(settings: Settings, daemon: Daemon) -> None:
    """Raise ConfigurationError for accounts without a role that the credentials do not belong to.

    Their numbers would be those of another account. Where STS does not answer, polls say why.
    """
    accounts = enumerate(settings.aws.accounts)
    alone = [(i, account.id) for i, account in accounts if not account.has_role]
    own = await _own_account(daemon) if alone else ""
    strange = [(i, account_id) for i, account_id in alone if own and account_id != own]
    if strange:
        said = (
            f"has no role, and the credentials are of account {own}: it would show that account's "
            "numbers; give it role_name or role_arn"
        )
        places = ((("aws", "accounts", i, "id"), show(account_id)) for i, account_id in strange)
        raise ConfigurationError(str(Problem(path, said, shown)) for path, shown in places)


async def _own_account(daemon: Daemon) -> str:
    """Ask STS whose the exporter's own credentials are; empty where it does not say."""
    try:
        async with asyncio.timeout(_IDENTITY_SECONDS):
            return await daemon.cloud.credentials.who_am_i()
    except (AwsError, TimeoutError):
        return ""
