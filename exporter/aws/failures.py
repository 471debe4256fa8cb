"""What went wrong between a request and its answer, as failures with a code of the table."""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from exporter.aws.transport import Reply
from exporter.errors import ERRORS
from exporter.model import AwsError

EXPECTED = (
    AwsError,
    BotoCoreError,
    ClientError,
    # botocore's parsers walk into bodies whose JSON has other types than the model's.
    ResponseParserError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What a call that cannot be made, or an answer that cannot be read, may raise."""

_SERVER_ERROR = 500
_LONGEST_MESSAGE = 500


def failed(error: Exception, reply: Reply | None, hidden: Iterable[str] = ()) -> AwsError:
    """Name one of the expected errors; `reply` is what was answered, if anything was.

    What is hidden is not repeated: AWS's answer to a wrong signature holds the whole request.
    """
    match error:
        case AwsError():
            return error
        case ClientError():
            return answered(error.response, hidden)
        case _:
            return _unreadable(error, reply)


def answered(response: Mapping[str, Any], hidden: Iterable[str] = ()) -> AwsError:
    """Name an error that AWS answered, given as botocore's parsers give it."""
    metadata = response.get("ResponseMetadata", {})
    detail = response.get("Error", {})
    raw = detail["Code"] if isinstance(detail.get("Code"), str) else ""
    message = str(detail.get("Message") or response.get("message") or "no message")
    code = raw if raw in ERRORS else _by_status(raw, metadata.get("HTTPStatusCode", 0))
    text = shown(message if raw == code else f"{raw}: {message}", hidden)
    # botocore leaves it in the headers where the body is a front's, not a service's.
    spare = metadata.get("HTTPHeaders", {}).get("x-amzn-requestid", "")
    return AwsError(code, text, str(metadata.get("RequestId") or spare))


def shown(text: str, hidden: Iterable[str]) -> str:
    """Make somebody else's text fit to be shown: in a line, and without what is hidden."""
    return _shortened(_without(hidden, text))


def _unreadable(error: Exception, reply: Reply | None) -> AwsError:
    """Name what nobody could make sense of: by the HTTP status, if that tells."""
    if reply is None:
        # botocore's own objections hold no secrets; of others' texts nobody knows.
        reason = str(error) if isinstance(error, BotoCoreError) else type(error).__name__
        return AwsError("other", f"no request could be made: {reason}")
    message = f"HTTP {reply.status}, not of the API's form: {type(error).__name__}"
    return AwsError(_by_status("", reply.status), message, reply.request_id)


def _without(hidden: Iterable[str], text: str) -> str:
    """Put three dots where a text repeats something, as it is or as it stands in a query."""
    for secret in hidden:
        for form in {secret, quote(secret, safe=""), quote(secret)} if secret else ():
            text = text.replace(form, "...")
    return text


def _shortened(text: str) -> str:
    """Keep a message to a line of the log: what is no JSON is a message to botocore, all of it."""
    line = " ".join(text[: 4 * _LONGEST_MESSAGE].split())
    return line if len(line) <= _LONGEST_MESSAGE else f"{line[:_LONGEST_MESSAGE]}…"


def _by_status(raw: str, status: int) -> str:
    """Name an error by its HTTP status: one without a code, or with a code outside the table.

    Without a code it is no service's answer but that of something on the way to it.
    """
    named = bool(raw) and not raw.isdecimal()
    match status:
        case 429:
            return "ThrottlingException"
        case status if status >= _SERVER_ERROR:
            return "InternalServerException"
        case 401 | 403 if not named:
            return "AccessDeniedException"
        case _:
            return "other" if named else "MalformedResponse"
