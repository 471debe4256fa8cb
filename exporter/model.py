"""The values that flow through the exporter. Frozen; knows no AWS library, no clock, no I/O."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

PENDING_STATUSES = ("Invited", "Created", "EmailVerificationInProgress")
"""Relationship statuses of an invitation that nobody has answered yet."""

# fmt: off
KNOWN_STATUSES = (
    "Enabled", "Paused", "Invited", "Created", "Removed", "Resigned",
    "EmailVerificationInProgress", "EmailVerificationFailed",
    "RegionDisabled", "AccountSuspended",
)
# fmt: on
"""Macie's RelationshipStatus values, in the order of its API reference."""

UNKNOWN_STATUS = "unknown"
"""Stands for a status that AWS left out, so that the invitation is counted all the same."""

OTHER_STATUS = "other"
"""Stands for statuses beyond those that have a name of their own (`exporter.state.snapshot`)."""

# fmt: off
MACIE_REGIONS = (
    "af-south-1", "ap-east-1", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3",
    "ap-south-1", "ap-southeast-1", "ap-southeast-2", "ca-central-1",
    "eu-central-1", "eu-north-1", "eu-south-1", "eu-west-1", "eu-west-2", "eu-west-3",
    "il-central-1", "me-south-1", "sa-east-1",
    "us-east-1", "us-east-2", "us-west-1", "us-west-2",
)
# fmt: on
"""Regions with Macie, as botocore's endpoint data lists them (a test holds the two together)."""

OPT_IN_REGIONS = frozenset({"af-south-1", "ap-east-1", "eu-south-1", "il-central-1", "me-south-1"})
"""Those of them that an account has to enable first (AWS Account Management's reference)."""

DEFAULT_REGIONS = tuple(region for region in MACIE_REGIONS if region not in OPT_IN_REGIONS)
"""Those that are enabled in every account."""

_OTHER_PARTITIONS = re.compile(r"(?:cn|us-gov|us-iso[a-z]?|eu-iso[a-z]?|eusc)-")


def label_of(key: str) -> str:
    """Return the label that shows a key of an account, as kube-state-metrics makes one."""
    return "label_" + re.sub(r"[^a-zA-Z0-9_]", "_", key)


def known_status(status: str) -> str:
    """Return a relationship status as AWS spells it, whose spelling may differ in case alone."""
    return _KNOWN_STATUSES.get(status.lower(), status)


_KNOWN_STATUSES = {status.lower(): status for status in KNOWN_STATUSES}


def in_other_partition(region: str) -> bool:
    """Return whether a region is in another partition than `aws`: no ARN of ours is for that."""
    return bool(_OTHER_PARTITIONS.match(region))


class Target(NamedTuple):
    """One AWS account in one region: the unit that is polled.

    A tuple, whose hash is made in C: it is the key of whatever is kept by target.
    """

    account_id: str
    region: str


@dataclass(frozen=True, slots=True)
class Role:
    """An IAM role to assume, by its ARN."""

    arn: str
    external_id: str | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """An account to poll. Without a role it is polled with the exporter's own credentials."""

    id: str
    name: str = ""
    role: Role | None = None
    regions: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Values of keys in `metrics.account_labels`, where there are any."""

    def targets(self) -> tuple[Target, ...]:
        """Return the account in each of its regions."""
        return tuple(Target(self.id, region) for region in self.regions)


class Member(NamedTuple):
    """An account that AWS Organizations lists."""

    id: str
    name: str
    is_active: bool = True
    """Whether it is in use: those that are suspended are not polled."""


@dataclass(frozen=True, slots=True)
class Inventory:
    """What there is to poll, as discovery last found it."""

    accounts: tuple[Account, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    """Names of all accounts that are known by name, polled or not, by id."""
    organization: frozenset[str] | None = None
    """Ids of all accounts of the organization, suspended ones too; None while not known."""
    complete: bool = False
    """Whether there is nothing more to find out."""
    failure: "Failure | None" = None
    """Why accounts could not be discovered; the others are those last known."""
    last_success: float = 0.0
    """When it was last complete, in Unix seconds; 0 before that."""

    @property
    def known(self) -> bool:
        """Whether it is known that there are targets, or that there are none."""
        return self.last_success > 0 or bool(self.accounts)

    def targets(self) -> tuple[Target, ...]:
        """Return every target of every account."""
        return tuple(target for account in self.accounts for target in account.targets())


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation that an account received. Times are Unix seconds; None is unreadable."""

    inviter_account_id: str
    invitation_id: str
    relationship_status: str
    invited_at: float | None


@dataclass(frozen=True, slots=True)
class Trust:
    """Who may invite, by account id; where nothing says who may, nobody can be told as unknown."""

    configured: bool = False
    accounts: frozenset[str] = frozenset()
    complete: bool = True
    """Whether these are all: until AWS Organizations has said who belongs to it, they are not."""

    @property
    def tells(self) -> bool:
        """Whether an inviter can be told as unknown."""
        return self.configured and self.complete

    def trusts(self, inviter_account_id: str) -> bool | None:
        """Return whether an inviter is trusted; None where that cannot be told."""
        if inviter_account_id in self.accounts:
            return True
        return False if self.tells else None


NO_TRUST = Trust()
"""Nothing says who may invite."""


@dataclass(frozen=True, slots=True)
class Administrator:
    """The account that administers another in fact, by invitation or through Organizations."""

    account_id: str
    relationship_status: str


NO_ADMINISTRATOR = Administrator("", "")
"""AWS's answer that an account has none."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What AWS said of a target: whether Macie is enabled and the invitations listed."""

    enabled: bool
    invitations: tuple[Invitation, ...] = ()
    administrator: Administrator | None = None
    """None: was not asked for. NO_ADMINISTRATOR: there is none."""
    pages: int = field(default=1, compare=False)
    """How many pages it came on, which says nothing of what it holds."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a poll got no answer. The code is one of `exporter.error_codes.ERRORS`."""

    code: str
    message: str
    request_id: str = ""
    asked: str = field(default="", compare=False)
    """The action that failed, as IAM names it (`sts:AssumeRole`), where that is known.

    `own` and a blank in front: it was for the exporter's own credentials.
    """

    @property
    def own(self) -> bool:
        """Return whether the exporter has no credentials of its own because of this."""
        return self.asked.startswith("own ")

    def fields(self) -> Mapping[str, object]:
        """Return what a line of the log says of it."""
        said = {"error_code": self.code, "aws_request_id": self.request_id}
        return {**said, "error": self.message}


@dataclass(frozen=True, slots=True)
class PollResult:
    """One finished poll of one target. `ended` is in Unix seconds, `duration` in seconds."""

    target: Target
    ended: float
    duration: float
    outcome: Answer | Failure


class AwsError(Exception):
    """A request, or a poll of many, that got no answer; carries the failure as a value."""

    def __init__(self, code: str, message: str, request_id: str = "") -> None:
        """Build the failure from its parts."""
        super().__init__(f"{code}: {message}")
        self.failure = Failure(code, message, request_id)

    @classmethod
    def of(cls, failure: Failure) -> "AwsError":
        """Raise a failure that is already known."""
        error = cls(failure.code, failure.message)
        error.failure = failure
        return error
