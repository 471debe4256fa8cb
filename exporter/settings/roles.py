"""The role to assume in an account, by the settings."""

from pydantic import SecretStr

from exporter.model import Role
from exporter.settings.tree import AccountSettings, Organization


def role_of(account: AccountSettings) -> Role | None:
    """Return the role to assume in a configured account, if there is one."""
    arn = account.role_arn or (account.role_name and _arn(account.id, account.role_name))
    return Role(arn, _secret(account.external_id)) if arn else None


def member_role(organization: Organization, account_id: str) -> Role:
    """Return the role to assume in an account of the organization; `*` stands for any."""
    return Role(_arn(account_id, organization.role_name), _secret(organization.external_id))


def _arn(account_id: str, role_name: str) -> str:
    """Return a role's ARN by its name, path included; Macie is in the partition `aws` alone."""
    return f"arn:aws:iam::{account_id}:role/{role_name}"


def _secret(value: SecretStr | None) -> str | None:
    return value.get_secret_value() if value is not None else None
