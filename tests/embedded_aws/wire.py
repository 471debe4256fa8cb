"""HTTP requests, answers and errors as AWS' three wire protocols spell them; knows no service."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from aiohttp import web

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
class Request:
    """One HTTP request as it came: `path` and `query` undecoded, header names in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def operation(self) -> str:
        """The name of the operation; empty for one that is not known."""
        target = self.headers.get("x-amz-target", "").rpartition(".")[2]
        return _PATHS.get(self.path) or target or self.form("Action")

    def form(self, name: str) -> str:
        """Return a field of the body that STS is sent; empty where it has none."""
        return parse_qs(self.body.decode("utf-8", "replace")).get(name, [""])[0]


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


def error_response(error: ApiError, service: str) -> web.Response:
    """Spell an error as the protocol of `service` does.

    REST-JSON: code in `x-amzn-ErrorType`. JSON 1.1 (Organizations): code in `__type`, and 400 where
    others say 403. Query (STS): XML, with its own names for the common errors.
    """
    if service == STS:
        code = _QUERY_CODES.get(error.code, error.code)
        text = _QUERY_ERROR.format(escape(code), escape(error.message))
        return web.Response(status=error.status, text=text, content_type="text/xml")
    if service == ORGANIZATIONS:
        status = HTTPStatus.BAD_REQUEST if error.status == HTTPStatus.FORBIDDEN else error.status
        return web.json_response({"__type": error.code, "Message": error.message}, status=status)
    headers = {"x-amzn-ErrorType": error.code}
    return web.json_response({"message": error.message}, status=error.status, headers=headers)
