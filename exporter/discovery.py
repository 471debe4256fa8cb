"""Which targets exist: the configured accounts and regions. Knows no threads and no boto3."""

from collections.abc import Callable

from exporter.model import Account, Inventory, Role
from exporter.settings import AccountSettings, Settings

WhoAmI = Callable[[float], str]
"""Gives the account of the exporter's own credentials before a monotonic deadline; raises AwsError."""


class Discovery:
    """Finds the accounts to poll, each with its regions."""

    def __init__(self, settings: Settings, *, default_region: str, who_am_i: WhoAmI) -> None:
        """Poll `default_region`, the AWS environment's, where no region is configured."""
        self._aws = settings.aws
        self._default_regions = settings.aws.regions or (default_region,)
        self._who_am_i = who_am_i

    def find(self, deadline: float) -> Inventory:
        """Find what there is to poll before the monotonic deadline. Raises AwsError."""
        configured = tuple(self._account(account) for account in self._aws.accounts)
        if configured:
            return Inventory(configured)
        own = Account(self._who_am_i(deadline), regions=self._default_regions)
        return Inventory((own,))

    def _account(self, settings: AccountSettings) -> Account:
        return Account(
            settings.id,
            settings.name,
            _role(settings),
            settings.regions or self._default_regions,
        )


def _role(settings: AccountSettings) -> Role | None:
    external = settings.external_id.get_secret_value() if settings.external_id else None
    if settings.role_arn:
        return Role(settings.role_arn, external)
    if settings.role_name:
        return Role(role_arn(settings.id, settings.role_name), external)
    return None


def role_arn(account_id: str, role_name: str) -> str:
    """Give the ARN of a role by its name, path included. Macie exists in the partition `aws` alone."""
    return f"arn:aws:iam::{account_id}:role/{role_name}"
