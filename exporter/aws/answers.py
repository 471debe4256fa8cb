"""Replies to answers and errors: JSON is read as it is, XML and every error by botocore's parsers.

Knows no operation: whether an answer holds what was asked for is for whoever asked.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from botocore.awsrequest import HeadersDict
from botocore.parsers import ResponseParser, ResponseParserError, ResponseParserFactory

from exporter.aws.redaction import shown, shown_id
from exporter.aws.transport import Reply
from exporter.error_codes import ERRORS
from exporter.model import AwsError

_OK, _REDIRECTION, _SERVER_ERROR = 200, 300, 500
_MAX_TAGS = 2000
"""STS's answers have under thirty; an element takes fifty times what it is written in."""

UNREADABLE = (
    # botocore's parsers walk into bodies of other types than the model's.
    *(ResponseParserError, ArithmeticError, AttributeError, LookupError, RecursionError),
    *(TypeError, ValueError),
)


def answer(reply: Reply, protocol: str, shape: Any, hidden: Iterable[str]) -> dict[str, Any]:  # noqa: ANN401 -- botocore's
    """Return an answer's fields, and AWS's id of the request where boto3 has it too.

    Raises AwsError for an error of AWS's, and for what is no answer. What is hidden is not
    repeated: AWS's answer to a wrong signature holds the whole request.
    """
    request_id = shown_id(reply.headers.get("x-amzn-RequestId"), hidden)
    try:
        if reply.status >= _REDIRECTION:
            raise answered(_parsed(reply, protocol, shape), hidden)
        if reply.status != _OK:
            # Something on the way: it says itself that this is a part, or not what AWS sent.
            raise _malformed(reply.status, "not AWS's own status", request_id)
        fields = json.loads(reply.body) if "json" in protocol else _parsed(reply, protocol, shape)
        if not isinstance(fields, dict):
            raise _malformed(reply.status, "no JSON object", request_id)
    except UNREADABLE as error:
        raise _malformed(reply.status, type(error).__name__, request_id) from error
    return {**fields, "ResponseMetadata": {"RequestId": request_id}}


def error_code(reply: Reply, service: str, operation: str) -> str | None:
    """Return the code of a reply to a request of boto3's; None where it is an answer.

    Raises AwsError for what boto3 is not to read, or cannot: STS alone answers in XML.
    """
    is_xml = service == "sts"
    try:
        answer(reply, "query" if is_xml else "rest-json", None, ())
    except AwsError as error:
        if error.__cause__ or error.failure.code == "MalformedResponse":
            raise
        return error.failure.code
    if is_xml and f"<{operation}Result".encode() not in reply.body:
        # boto3 would raise a KeyError.
        raise _malformed(reply.status, "no result", "")
    return None


def answered(response: Mapping[str, Any], hidden: Iterable[str] = ()) -> AwsError:
    """Return an error that AWS answered, given as botocore's parsers give it."""
    metadata = response.get("ResponseMetadata", {})
    detail = response.get("Error", {})
    raw = detail["Code"] if isinstance(detail.get("Code"), str) else ""
    message = str(detail.get("Message") or response.get("message") or "no message")
    status = metadata.get("HTTPStatusCode", 0)
    code = raw if raw in ERRORS else _by_status(raw, status)
    text = shown(message if raw == code else f"{raw or status}: {message}", hidden)
    # botocore leaves it in the headers where the body is a front's, not a service's.
    spare = metadata.get("HTTPHeaders", {}).get("x-amzn-requestid")
    return AwsError(code, text, shown_id(metadata.get("RequestId") or spare, hidden))


def unix_seconds(value: object) -> float | None:
    """Read a timestamp as Macie and STS send it; None for anything else, never an error.

    ISO 8601 with a time of day (https://smithy.io/2.0/spec/protocol-traits.html). botocore's own
    parser costs fifty times as much, and reads far more: "Monday" is next Monday to it.
    """
    # Only what has a time of day: fromisoformat also takes digits, as of another kind of time.
    if not isinstance(value, str) or value[10:11] != "T":
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


@cache
def _parser(protocol: str) -> ResponseParser:
    """Return a protocol's parser, always the same: it keeps nothing between answers."""
    factory = ResponseParserFactory()
    factory.set_parser_defaults(timestamp_parser=unix_seconds)
    return factory.create_parser(protocol)


def _parsed(reply: Reply, protocol: str, shape: Any) -> dict[str, Any]:  # noqa: ANN401 -- botocore's
    if "json" not in protocol and not is_plain_xml(reply.body):
        raise ValueError
    response = {
        "status_code": reply.status,
        "headers": HeadersDict(reply.headers),
        "body": reply.body,
        "context": {},
    }
    parsed: dict[str, Any] = _parser(protocol).parse(response, shape)
    return parsed


def is_plain_xml(body: bytes) -> bool:
    """Return whether XML has no document type, and no more elements than AWS's.

    Entities may stand for a thousand times what they are written in. Bytes tell in any encoding:
    botocore reads all as UTF-8.
    """
    return b"<!" not in body and body.count(b"<") <= _MAX_TAGS


def _malformed(status: int, reason: str, request_id: str) -> AwsError:
    """Return what nobody could make sense of: by the HTTP status, if that tells."""
    message = f"HTTP {status}, not of the API's form: {reason}"
    return AwsError(_by_status("", status), message, request_id)


def _by_status(raw: str, status: int) -> str:
    """Name an error by its HTTP status: one without a code, or with a code outside the table.

    Without a code it is no service's answer but that of something on the way to it: a denial that
    AWS did not sign with a code is nobody's policy.
    """
    if status == 429:  # noqa: PLR2004 -- Too Many Requests
        return "ThrottlingException"
    if status >= _SERVER_ERROR:
        return "InternalServerException"
    return "other" if raw and not raw.isdecimal() else "MalformedResponse"
