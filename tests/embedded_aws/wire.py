"""HTTP requests, answers and errors as AWS' three wire protocols spell them; knows no service."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from xml.sax.saxutils import escape

STS: Final = "sts"
ORGANIZATIONS: Final = "organizations"
MACIE: Final = "macie2"
ACCOUNT: Final = "account"

# STS speaks the query protocol, whose common errors have names of their own:
# https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html
_QUERY_CODES: Final = {
    "UnrecognizedClientException": "InvalidClientTokenId",
    "InvalidSignatureException": "SignatureDoesNotMatch",
    "ExpiredTokenException": "ExpiredToken",
    "MissingAuthenticationTokenException": "MissingAuthenticationToken",
    "IncompleteSignatureException": "IncompleteSignature",
    "AccessDeniedException": "AccessDenied",
}
_QUERY_ERROR: Final = (
    '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
    "<Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
)


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request as it came: `path` and `query` undecoded, header names in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP answer; the request id and the length are added when it is sent."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Caller:
    """Who signed a request, and the region and service that the signature is for."""

    account_id: str
    arn: str
    access_key_id: str
    region: str
    service: str


class ApiError(Exception):
    """An error that AWS answers, by its name in the JSON protocols."""

    def __init__(self, status: int, code: str, message: str) -> None:
        """Take the HTTP status, AWS' error code and the message for people."""
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message


def json_response(value: object) -> Response:
    """Answer 200 with `value` as JSON."""
    return Response(HTTPStatus.OK, json.dumps(value, separators=(",", ":")).encode())


def json_body(request: Request) -> dict[str, object]:
    """Return the request's JSON object, empty for no body; raises ApiError for anything else."""
    try:
        value = json.loads(request.body or b"{}")
    except ValueError:
        value = None
    if not isinstance(value, dict):
        message = "The request body is not a JSON object."
        raise ApiError(HTTPStatus.BAD_REQUEST, "SerializationException", message)
    return value


def error_response(error: ApiError, service: str) -> Response:
    """Spell an error as the protocol of `service` does.

    REST-JSON: code in `x-amzn-ErrorType`. JSON 1.1 (Organizations): code in `__type`, and 400 where
    others say 403. Query (STS): XML, with its own names for the common errors.
    """
    if service == STS:
        return _query_error(error)
    if service == ORGANIZATIONS:
        return _json11_error(error)
    body = json.dumps({"message": error.message}).encode()
    return Response(error.status, body, headers=(("x-amzn-ErrorType", error.code),))


def _query_error(error: ApiError) -> Response:
    code = _QUERY_CODES.get(error.code, error.code)
    body = _QUERY_ERROR.format(code=escape(code), message=escape(error.message))
    return Response(error.status, body.encode(), content_type="text/xml")


def _json11_error(error: ApiError) -> Response:
    forbidden = error.status == HTTPStatus.FORBIDDEN
    status = HTTPStatus.BAD_REQUEST if forbidden else error.status
    body = json.dumps({"__type": error.code, "Message": error.message}).encode()
    return Response(status, body, content_type="application/x-amz-json-1.1")
