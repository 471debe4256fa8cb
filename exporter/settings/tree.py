"""The tree of settings: every key, its type, its default, its rules and what it is for.

The one place to add a setting: flags, environment names, `check`, the reference and the JSON
schema are made from it.
"""

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from exporter.durations import render
from exporter.settings.fields import (
    AUTO,
    ROLE_ARN,
    AccountId,
    AccountIds,
    Duration,
    Durations,
    ListenAddress,
    Regions,
    RoleArn,
    RoleName,
    Words,
    listed,
)

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
SHORTEST_INTERVAL = timedelta(seconds=10)


class Section(BaseModel):
    """A branch of the tree: frozen, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def _between(value: timedelta, low: timedelta, high: timedelta) -> timedelta:
    if not low <= value <= high:
        message = f"must be from {render(low)} to {render(high)}"
        raise ValueError(message)
    return value


class Poll(Section):
    """When and how targets are polled."""

    interval: Duration = timedelta(minutes=5)
    """How often each target is polled, 10s to 24h."""
    concurrency: Annotated[int, Field(ge=1, le=512)] = 32
    """Polls under way at once."""
    timeout: Duration = timedelta(seconds=60)
    """The deadline of one poll, its pages and retries included."""
    stale_after: Duration = Field(default=timedelta(0), validate_default=True)
    """When a failing target's last good values go away. Default: three intervals."""

    @field_validator("interval")
    @classmethod
    def _interval_in_bounds(cls, value: timedelta) -> timedelta:
        return _between(value, SHORTEST_INTERVAL, DAY)

    @field_validator("timeout")
    @classmethod
    def _timeout_in_bounds(cls, value: timedelta) -> timedelta:
        return _between(value, timedelta(seconds=1), HOUR)

    @field_validator("stale_after")
    @classmethod
    def _stale_after_an_interval(cls, value: timedelta, info: ValidationInfo) -> timedelta:
        interval = info.data.get("interval", timedelta(minutes=5))
        if not value:
            return 3 * interval
        if value < interval:
            message = f"must be at least poll.interval ({render(interval)}), or values would flap"
            raise ValueError(message)
        return value


class AccountSettings(Section):
    """One account to poll."""

    id: AccountId
    """The account's id, a string of 12 digits."""
    name: str = ""
    """Shown in macie_account_info."""
    role_arn: RoleArn | None = None
    """The role to assume in the account. Neither this nor role_name: own credentials."""
    role_name: RoleName | None = None
    """The role to assume, by its name in the account."""
    external_id: SecretStr | None = None
    """The ExternalId that the role's trust policy asks for."""
    regions: Regions = ()
    """Regions of this account. Default: aws.regions."""

    @model_validator(mode="after")
    def _one_role_of_this_account(self) -> Self:
        if self.role_arn and self.role_name:
            message = "give role_arn or role_name, not both"
            raise ValueError(message)
        owner = ROLE_ARN.match(self.role_arn) if self.role_arn else None
        if owner and owner["account"] != self.id:
            message = (
                f"role_arn belongs to account {owner['account']}, not to {self.id}: "
                "its invitations would be shown under the wrong account"
            )
            raise ValueError(message)
        return self


class Organization(Section):
    """Discovery of accounts through AWS Organizations."""

    role_name: RoleName
    """The role to assume in every member account."""
    external_id: SecretStr | None = None
    """The ExternalId that the roles' trust policies ask for."""
    include_ous: Words = ()
    """Organizational units (or roots) whose accounts are polled, nested ones included. Default: all."""
    exclude_accounts: AccountIds = ()
    """Accounts that are not polled."""
    refresh_interval: Duration = HOUR
    """How often accounts and regions are discovered anew, 10s to 24h."""

    @field_validator("refresh_interval")
    @classmethod
    def _refresh_in_bounds(cls, value: timedelta) -> timedelta:
        return _between(value, SHORTEST_INTERVAL, DAY)


class Aws(Section):
    """Which accounts and regions are polled."""

    regions: Regions = ()
    """Regions to poll, or `auto`: those with Macie that the account has enabled. Default: the AWS environment's region."""
    allow_unknown_regions: bool = False
    """Take regions that this release does not know to have Macie."""
    accounts: Annotated[tuple[AccountSettings, ...], BeforeValidator(listed)] = ()
    """Accounts to poll. Default: the account of the AWS environment's credentials."""
    organization: Organization | None = None
    """Discover accounts through AWS Organizations."""

    @field_validator("accounts")
    @classmethod
    def _accounts_once(cls, value: tuple[AccountSettings, ...]) -> tuple[AccountSettings, ...]:
        ids = [account.id for account in value]
        twice = sorted({account for account in ids if ids.count(account) > 1})
        if twice:
            message = f"listed more than once: {', '.join(twice)}"
            raise ValueError(message)
        return value


class PerInvitation(Section):
    """The opt-in series of each invitation."""

    enabled: bool = False
    """Expose macie_invitation_timestamp_seconds."""
    max_series: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    """At most so many of them, the newest kept: outsiders decide how many invitations there are."""


class Metrics(Section):
    """What is exposed."""

    age_buckets: Durations = (DAY, 7 * DAY, 30 * DAY, 90 * DAY)
    """Edges of the exclusive age buckets, ascending, in whole hours."""
    zero_fill: Literal["all", "invited", "none"] = "all"
    """Whose absent counts are shown as 0: every known status, Invited alone, or none."""
    trusted_inviters: AccountIds = ()
    """Account ids that may invite. Empty: the untrusted metric does not exist."""
    per_invitation: PerInvitation = PerInvitation()
    """The opt-in series of each invitation."""

    @field_validator("age_buckets")
    @classmethod
    def _ascending_hours(cls, value: tuple[timedelta, ...]) -> tuple[timedelta, ...]:
        if not value or list(value) != sorted(set(value)) or not value[0]:
            message = "must be at least one edge, each larger than the one before, the first above 0"
            raise ValueError(message)
        if any(edge % HOUR for edge in value):
            message = "must be whole hours"
            raise ValueError(message)
        return value


class Shard(Section):
    """Which part of the accounts this replica polls."""

    index: int | Literal["auto"] = 0
    """This replica's number from 0, or `auto`: the ordinal at the end of POD_NAME."""
    total: Annotated[int, Field(ge=1, le=10_000)] = 1
    """How many replicas share the accounts."""


class Web(Section):
    """What is served, and where."""

    listen_address: ListenAddress = ":10058"
    """Address to listen on; an empty host means every interface."""
    telemetry_path: Annotated[str, Field(pattern=r"^/[\w./-]+$")] = "/metrics"
    """Path of the metrics."""
    config_file: str = ""
    """Web configuration file in the format of Prometheus' exporter-toolkit."""
    enable_lifecycle: bool = False
    """Accept POST /-/reload."""


class Log(Section):
    """How events are logged."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severity that is logged."""
    format: Literal["logfmt", "json"] = "logfmt"
    """One event per line, as logfmt or JSON."""


class Config(Section):
    """Where configuration is read from."""

    file: str = ""
    """YAML file with these settings."""


class Settings(BaseSettings):
    """All configuration, frozen."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    config: Config = Config()
    poll: Poll = Poll()
    aws: Aws = Aws()
    metrics: Metrics = Metrics()
    shard: Shard = Shard()
    web: Web = Web()
    log: Log = Log()

    @property
    def auto_regions(self) -> bool:
        """Whether any account's regions are to be asked of AWS."""
        return (AUTO,) in (self.aws.regions, *(account.regions for account in self.aws.accounts))
