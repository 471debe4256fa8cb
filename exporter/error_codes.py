"""The error codes: what each means, what to do about it, and how soon to try again.

The one place to add a code. Knows nothing of how a failure came about.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from exporter.model import Failure


class Retry(Enum):
    """How soon a failure is worth another try."""

    SOON = "soon"
    """It passes by itself (throttling, server errors, network): back off, but try early."""

    RENEW = "renew"
    """The session's credentials are of no more use: renew them once, then try again."""

    LATER = "later"
    """Somebody has to change something first: wait for the regular poll."""


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """A row of the table: an `error_code`, its retry policy, and what a person can do."""

    code: str
    retry: Retry
    hint: str
    """`SERVICE` in it stands for the one that was asked."""


OTHER = "other"
NO_SUCH_UNIT = "ParentNotFoundException"

_DENIED = (
    "allow macie2:ListInvitations on Resource '*' in the role's policy, and look for a service "
    "control policy or permissions boundary that denies it"
)
_KEYS = (
    "the keys are unknown to AWS: check the credentials; a region that the account has not opted "
    "into answers the same"
)
_CLOCK = "check the clock of this machine"
_WEB_IDENTITY = (
    "the cluster's OIDC issuer must be an identity provider of IAM in the account of the role "
    "(AWS_ROLE_ARN), and the role's trust policy must name it, the service account as its `sub` "
    "and `sts.amazonaws.com` as its `aud`"
)
_AWS_SIDE = (
    "a fault on AWS's side, or of a proxy on the way there: it is polled again soon; see the AWS "
    "Health Dashboard"
)
_THROTTLED = (
    "AWS limits the rate: it is polled again soon; if it stays, raise poll.interval or lower "
    "poll.concurrency"
)
_NETWORK = (
    "no connection to AWS's endpoint: check DNS, egress to port 443, proxy, VPC endpoint and "
    "AWS_ENDPOINT_URL"
)


def _row(codes: str, retry: Retry, hint: str) -> list[ErrorKind]:
    return [ErrorKind(code, retry, hint) for code in codes.split()]


# A row in a few lines is read as a row: codes, how soon to try again, what a person can do.
# fmt: off
_TABLE = (
    # Macie's modelled exceptions.
    _row("AccessDeniedException", Retry.LATER, _DENIED),
    _row("ConflictException", Retry.LATER, "a concurrent change: the next poll settles it"),
    _row("InternalServerException", Retry.SOON, _AWS_SIDE),
    _row("ResourceNotFoundException", Retry.LATER,
         "AWS does not know this resource: check the account and the region"),
    _row("ServiceQuotaExceededException", Retry.LATER,
         "a quota of this account is used up: see Service Quotas for SERVICE"),
    _row("ThrottlingException", Retry.SOON, _THROTTLED),
    _row("ValidationException", Retry.LATER,
         "AWS refused the request's form: check AWS_ENDPOINT_URL, then report it as a bug"),
    # Seen on the wire from Macie, STS, Organizations and Account, though not modelled.
    _row("TooManyRequestsException Throttling RequestLimitExceeded SlowDown", Retry.SOON,
         _THROTTLED),
    _row("ServiceUnavailable ServiceUnavailableException InternalFailure InternalError "
         "ServiceException", Retry.SOON, _AWS_SIDE),
    _row("ExpiredTokenException ExpiredToken", Retry.RENEW,
         "the session ended: it is renewed by itself; if this stays, check the credential source"),
    _row("UnrecognizedClientException InvalidClientTokenId", Retry.RENEW, _KEYS),
    _row("RequestExpired", Retry.LATER, _CLOCK),
    _row("InvalidSignatureException SignatureDoesNotMatch IncompleteSignature "
         "IncompleteSignatureException", Retry.LATER,
         "the secret access key is not that of the access key id, or has a blank or line break too "
         "much; else a proxy rewrites requests"),
    _row("MissingAuthenticationToken MissingAuthenticationTokenException", Retry.LATER, _KEYS),
    _row("AccessDenied", Retry.LATER,
         "let the role's trust policy name the exporter's principal (and its ExternalId, if one is "
         "set), and allow sts:AssumeRole on the role in the exporter's own policy"),
    _row("InvalidIdentityToken IDPRejectedClaim", Retry.LATER, _WEB_IDENTITY),
    _row("IDPCommunicationError", Retry.SOON,
         "STS cannot read the keys of the cluster's OIDC issuer: they must be reachable from "
         "the internet, with a certificate that is in order"),
    _row("AWSOrganizationsNotInUseException", Retry.LATER,
         "this account is in no organization: run in a management or delegated administrator "
         "account, or list the accounts under aws.accounts"),
    _row(NO_SUCH_UNIT, Retry.LATER,
         "the organization has no such unit any more: take it out of "
         "aws.organization.include_ous; until then its accounts stay as they were last known"),
    _row("OptInRequired RegionDisabledException", Retry.LATER,
         "the region is not enabled: enable it for the account or take it out of aws.regions"),
    # What can go wrong on this side of the wire.
    _row("EndpointConnectionError ConnectTimeout", Retry.SOON, _NETWORK),
    _row("ReadTimeout", Retry.SOON,
         "AWS accepted the request and sent no answer in time: " + _NETWORK),
    _row("Deadline", Retry.SOON,
         "pages and retries took longer than poll.timeout, or no place was free: check the "
         "network; raise poll.timeout if the target holds very many invitations, and "
         "poll.concurrency if polls start late"),
    _row("MalformedResponse", Retry.LATER,
         "what answered in the place of SERVICE does not speak its protocol: check "
         "AWS_ENDPOINT_URL and proxies"),
    _row("CredentialsError", Retry.LATER,
         "no usable AWS credentials: set AWS_PROFILE (where it uses SSO, run aws sso login), or "
         "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; or give the exporter a role, by IRSA, Pod "
         "Identity or its instance"),
    _row("PaginationLoop", Retry.LATER,
         "AWS repeated a page token: the list cannot be read to its end; report it to AWS"),
    _row(OTHER, Retry.LATER, "an error outside the known list: the log line carries AWS's text"),
)
# fmt: on

ERRORS: Mapping[str, ErrorKind] = {kind.code: kind for row in _TABLE for kind in row}


def error_kind(code: str) -> ErrorKind:
    """Return the row of a code, `other` where there is none, so that labels stay bounded."""
    return ERRORS.get(code, ERRORS[OTHER])


_SERVICES = {
    "macie2": "Macie",
    "sts": "STS",
    "organizations": "AWS Organizations",
    "account": "AWS Account Management",
}
# fmt: off
_OF_ACTIONS: Mapping[tuple[str, str], str] = {
    ("own sts:AssumeRoleWithWebIdentity", "AccessDenied"): _WEB_IDENTITY,
    ("own sts:AssumeRoleWithWebIdentity", "ExpiredTokenException"):
        "the service account's token has expired: AWS_WEB_IDENTITY_TOKEN_FILE must be the "
        "projected token that the kubelet renews",
    ("own sts:AssumeRole", "AccessDenied"):
        "let the trust policy of the AWS profile's role_arn name the profile's source credentials "
        "(and its external_id, if one is set), and allow those sts:AssumeRole on it",
    ("macie2:GetAdministratorAccount", "AccessDeniedException"):
        _DENIED.replace("macie2:ListInvitations", "macie2:GetAdministratorAccount"),
    ("organizations:ListTagsForResource", "AccessDeniedException"):
        "allow the exporter's role organizations:ListTagsForResource, and run it in the "
        "organization's management or a delegated administrator account; or write the labels of "
        "metrics.account_labels under aws.accounts",
    **{
        (f"organizations:List{of}", denied):
            "allow the exporter's role organizations:ListAccounts (with include_ous also "
            "ListAccountsForParent and ListOrganizationalUnitsForParent), and run it in the "
            "organization's management or a delegated administrator account"
        for of in ("Accounts", "AccountsForParent", "OrganizationalUnitsForParent")
        for denied in ("AccessDenied", "AccessDeniedException")
    },
    ("sts:GetCallerIdentity", "AccessDenied"):
        "this needs no permission: look for a VPC endpoint policy or service control policy that "
        "denies sts:GetCallerIdentity",
}
# fmt: on
"""What mends a code of an action, where it is something else than what mends the code elsewhere."""
_EXPIRED_SIGNATURE = ("Signature expired", "Signature not yet current")


def hint_of(failure: Failure, service: str = "macie2") -> str:
    """Say what mends a failure; `service` was asked where the failure does not tell."""
    if failure.message.startswith(_EXPIRED_SIGNATURE):
        return _CLOCK
    asked = failure.asked.removeprefix("own ").partition(":")[0] or service
    said = _OF_ACTIONS.get((failure.asked, failure.code)) or error_kind(failure.code).hint
    return said.replace("SERVICE", _SERVICES.get(asked, "AWS"))
