"""Requests and errors as AWS' three wire protocols spell them; knows no service."""

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from tests.faulty import Request, response

STS: Final = "sts"
ORGANIZATIONS: Final = "organizations"
MACIE: Final = "macie2"
ACCOUNT: Final = "account"

_PATHS: Final = {
    "/invitations": "ListInvitations",
    "/administrator": "GetAdministratorAccount",
    "/listRegions": "ListRegions",
}
# STS speaks the query protocol, whose common errors have names of their own:
# https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html
_QUERY_CODES: Final = {
    "UnrecognizedClientException": "InvalidClientTokenId",
    "InvalidSignatureException": "SignatureDoesNotMatch",
    "ExpiredTokenException": "ExpiredToken",
    "MissingAuthenticationTokenException": "MissingAuthenticationToken",
    "AccessDeniedException": "AccessDenied",
}
_QUERY_ERROR: Final = (
    '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
    "<Code>{}</Code><Message>{}</Message></Error></ErrorResponse>"
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who signed a request, and the region and service that the signature is for."""

    account_id: str
    arn: str
    region: str
    service: str


class ApiError(Exception):
    """An error that AWS answers, by its name in the JSON protocols."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.status, self.code, self.message = status, code, message


def operation_of(request: Request) -> str:
    """Return the name of the operation; empty for one that is not known."""
    target = request.headers.get("x-amz-target", "").rpartition(".")[2]
    return _PATHS.get(request.target.partition("?")[0]) or target or form(request, "Action")


def form(request: Request, name: str) -> str:
    """Return a field of the body that STS is sent; empty where it has none."""
    return parse_qs(request.body.decode("utf-8", "replace")).get(name, [""])[0]


def json_response(value: object, status: int = HTTPStatus.OK, **headers: str) -> bytes:
    """Answer with `value` as JSON."""
    return response(json.dumps(value), status, headers)


def xml_response(text: str, status: int = HTTPStatus.OK) -> bytes:
    """Answer with XML."""
    return response(text, status, {"Content-Type": "text/xml"})


def error_response(error: ApiError, service: str) -> bytes:
    """Spell an error as the protocol of `service` does.

    REST-JSON: code in `x-amzn-ErrorType`. JSON 1.1 (Organizations): code in `__type`, and 400 where
    others say 403. Query (STS): XML, with its own names for the common errors.
    """
    if service == STS:
        code = _QUERY_CODES.get(error.code, error.code)
        return xml_response(_QUERY_ERROR.format(escape(code), escape(error.message)), error.status)
    if service == ORGANIZATIONS:
        status = HTTPStatus.BAD_REQUEST if error.status == HTTPStatus.FORBIDDEN else error.status
        return json_response({"__type": error.code, "Message": error.message}, status)
    kind = {"x-amzn-ErrorType": error.code}
    return json_response({"message": error.message}, error.status, **kind)
