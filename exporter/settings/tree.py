"""The tree of settings: every key, its type, its default, its rules and what it is for.

The one place to add a setting: flags, environment names, `check`, the reference and the JSON
schema are made from it.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from exporter.model import Role
from exporter.settings import fields
from exporter.settings.durations import render

DAY = timedelta(days=1)


class Poll(fields.Section):
    """When and how targets are polled."""

    interval: Annotated[fields.Duration, fields.between("10s", "24h")] = timedelta(minutes=5)
    """How often each target is polled, 10s to 24h."""
    concurrency: Annotated[int, Field(ge=1, le=512)] = 128
    """Polls under way at once."""
    timeout: Annotated[fields.Duration, fields.between("1s", "1h")] = timedelta(seconds=60)
    """The deadline of one poll, its pages and retries included; capped at poll.stale_after."""
    stale_after: fields.Duration = Field(default_factory=lambda data: 3 * data["interval"])
    """When a failing target's last good values go away. Default: three intervals."""

    @field_validator("stale_after")
    @classmethod
    def _stale_after_an_interval(cls, value: timedelta, info: ValidationInfo) -> timedelta:
        interval = info.data.get("interval")
        if interval and value < interval:
            raise ValueError(f"must be at least poll.interval ({render(interval)})")
        return value


def _arn(account_id: str, role_name: str) -> str:
    """Return a role's ARN by its name, path included; Macie is in the partition `aws` alone."""
    return f"arn:aws:iam::{account_id}:role/{role_name}"


def _shown(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret is not None else None


class AccountSettings(fields.Section):
    """One account to poll."""

    id: fields.AccountId
    """The account's id, a string of 12 digits."""
    name: str = ""
    """Shown in macie_account_info."""
    role_arn: fields.RoleArn | None = None
    """The role to assume in the account. Neither this nor role_name: own credentials."""
    role_name: fields.RoleName | None = None
    """The role to assume, by its name in the account."""
    external_id: SecretStr | None = None
    """The ExternalId that the role's trust policy asks for."""
    regions: fields.Regions = ()
    """Regions of this account. Default: aws.regions."""
    labels: Mapping[str, str] = Field(default_factory=dict)
    """Values of the keys in metrics.account_labels."""

    @field_validator("role_arn")
    @classmethod
    def _role_of_this_account(cls, value: str | None, info: ValidationInfo) -> str | None:
        owner = value.split(":")[4] if value else None
        account = info.data.get("id")
        if owner and account and owner != account:
            raise ValueError(
                f"belongs to account {owner}, not to {account}: "
                "its invitations would be shown under the wrong account"
            )
        return value

    @field_validator("role_name")
    @classmethod
    def _one_role(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value and info.data.get("role_arn"):
            raise ValueError("give role_arn or role_name, not both")
        return value

    @property
    def role(self) -> Role | None:
        """The role to assume to poll it, if there is one."""
        arn = self.role_arn or (self.role_name and _arn(self.id, self.role_name))
        return Role(arn, _shown(self.external_id)) if arn else None


class Organization(fields.Section):
    """Discovery of accounts through AWS Organizations."""

    role_name: fields.RoleName
    """The role to assume in every member account."""
    external_id: SecretStr | None = None
    """The ExternalId that the roles' trust policies ask for."""
    include_ous: fields.UnitIds = ()
    """Ids of organizational units (or roots) whose accounts are polled, nested ones included.
    Default: all."""
    exclude_accounts: fields.AccountIds = ()
    """Accounts that are not polled."""
    refresh_interval: Annotated[fields.Duration, fields.between("10s", "24h")] = fields.HOUR
    """How often accounts and regions are discovered anew, 10s to 24h."""

    def role_in(self, account_id: str) -> Role:
        """Return the role to assume in one of its accounts; `*` stands for any."""
        return Role(_arn(account_id, self.role_name), _shown(self.external_id))


class Aws(fields.Section):
    """Which accounts and regions are polled."""

    regions: fields.Regions = ()
    """Regions to poll, or `auto`: those with Macie that the account has enabled.
    Default: the AWS environment's region."""
    allow_unknown_regions: bool = False
    """Take regions that this release does not know to have Macie."""
    accounts: Annotated[tuple[AccountSettings, ...], BeforeValidator(fields.listed)] = ()
    """Accounts to poll. Default: the account of the AWS environment's credentials."""
    organization: Organization | None = None
    """Discover accounts through AWS Organizations."""


class Administrator(fields.Section):
    """The opt-in question who administers an account in fact."""

    enabled: bool = False
    """Ask GetAdministratorAccount too, in the same poll; expose macie_has_administrator and
    macie_administrator_info."""


class PerInvitation(fields.Section):
    """The opt-in series of each invitation."""

    enabled: bool = False
    """Expose macie_invitation_timestamp_seconds."""
    max_series: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    """At most so many of them, the newest kept: outsiders decide how many invitations there are."""


class Metrics(fields.Section):
    """What is exposed."""

    age_buckets: Annotated[fields.Edges, Field(json_schema_extra={"minItems": 1})] = (
        DAY,
        7 * DAY,
        30 * DAY,
        90 * DAY,
    )
    """Edges of the exclusive age buckets, ascending, in whole hours."""
    zero_fill: Literal["all", "invited", "none"] = "all"
    """Whose absent counts are shown as 0: every known status, Invited alone, or none."""
    trusted_inviters: fields.AccountIds = ()
    """Account ids that may invite. Without these and trust_organization no invitation can be told
    as unknown."""
    trust_organization: bool = False
    """Every account that AWS Organizations lists may invite too; needs aws.organization."""
    account_labels: fields.LabelKeys = ()
    """Keys of labels (of aws.accounts) or tags (in AWS Organizations) for macie_account_info, at
    most 10."""
    max_inviter_series: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    """At most so many series of macie_untrusted_inviter_timestamp_seconds, the newest kept."""
    administrator: Administrator = Administrator()
    """The opt-in question who administers an account in fact."""
    per_invitation: PerInvitation = PerInvitation()
    """The opt-in series of each invitation."""


class Shard(fields.Section):
    """Which part of the accounts this replica polls."""

    total: Annotated[int, Field(ge=1, le=10_000)] = 1
    """How many replicas share the accounts."""
    index: fields.ShardIndex = 0
    """This replica's number from 0, or `auto`: the ordinal at the end of POD_NAME."""

    @field_validator("index")
    @classmethod
    def _index_within_total(cls, value: int, info: ValidationInfo) -> int:
        total = info.data.get("total")
        if total is not None and value >= total:
            raise ValueError(f"must be below shard.total ({total}): counting starts at 0")
        return value


class Web(fields.Section):
    """What is served, and where."""

    listen_address: fields.ListenAddress = ":10058"
    """Address to listen on; an empty host means every interface."""
    telemetry_path: fields.TelemetryPath = "/metrics"
    """Path of the metrics."""
    config_file: str = ""
    """File with TLS, authentication, headers and rate limit, as of Prometheus' exporter-toolkit.
    It is read anew when it, or a certificate, changes. As a flag also --web.config.file."""
    enable_lifecycle: bool = False
    """Accept POST /-/reload."""


class Log(fields.Section):
    """How events are logged."""

    level: fields.LogLevel = "info"
    """The least severity that is logged; `warn` and upper case are taken too."""
    format: Literal["logfmt", "json"] = "logfmt"
    """One event per line, as logfmt or JSON."""


class Config(fields.Section):
    """Where configuration is read from."""

    file: str = ""
    """YAML file with these settings."""


class Settings(BaseSettings):
    """All configuration, frozen."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid")

    config: Config = Config()
    poll: Poll = Poll()
    aws: Aws = Aws()
    metrics: Metrics = Metrics()
    shard: Shard = Shard()
    web: Web = Web()
    log: Log = Log()

    @classmethod
    def settings_customise_sources(cls, *_: Any, **sources: Any) -> tuple[Any, ...]:  # noqa: ANN401 -- as they come
        """Read nothing here: `load` hands in what there is, and says why."""
        return (sources["init_settings"],)

    @property
    def auto_regions(self) -> bool:
        """Whether any account's regions are to be asked of AWS."""
        of_accounts = (account.regions for account in self.aws.accounts)
        return (fields.AUTO,) in (self.aws.regions, *of_accounts)

    @property
    def discovers(self) -> bool:
        """Whether AWS is asked what there is to poll, again and again: it may change."""
        return self.aws.organization is not None or self.auto_regions
