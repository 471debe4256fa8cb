"""The fault matrix: what AWS's side may do, and what the metrics then say. One table, no tests.

A fault is a poll that gets no answer; an oddity is an answer all the same, though a strange one.
"""

import json
import ssl
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.aws.certificates import Authority
from tests.faults.watch import DROPPED, GOOD, LISTED, SAYS
from tests.faulty import (
    LOOPBACK,
    Behaviour,
    FaultyServer,
    Peer,
    by_turns,
    chunked,
    drip,
    flood,
    full_backlog,
    invitation,
    page,
    response,
    send,
    send_and_close,
    send_and_hang,
    send_and_reset,
)
from tests.processes import PATIENCE, refusing_port

Endpoint = Callable[[], Any]
"""Makes a context manager that gives the URL of an endpoint."""

TIMEOUT = 0.6
"""Seconds that a poll may take where the fault is that nothing comes to an end."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What a server does, each of the behaviours in turn, and the error code that it gets.

    With an endpoint that is what is called, not the server.
    """

    name: str
    behaviours: Sequence[Behaviour] = ()
    codes: frozenset[str] = frozenset()
    endpoint: Endpoint | None = None
    timeout: float = PATIENCE


@dataclass(frozen=True, slots=True)
class Oddity:
    """What a server does, and the lines in which the metrics differ from the usual answer's."""

    name: str
    behaviours: Sequence[Behaviour]
    says: str = SAYS
    state: str = "ok"


def _fault(name: str, code: str, *behaviours: Behaviour, timeout: float = PATIENCE) -> Fault:
    return Fault(name, behaviours, frozenset(code.split()), timeout=timeout)


def _elsewhere(name: str, code: str, endpoint: Endpoint, timeout: float = PATIENCE) -> Fault:
    return Fault(name, (), frozenset(code.split()), endpoint, timeout)


# -- the connection -------------------------------------------------------------------------


@contextmanager
def _refused() -> Iterator[str]:
    yield f"http://{LOOPBACK}:{refusing_port()}"


@contextmanager
def _no_name() -> Iterator[str]:
    yield "http://nowhere.invalid"


@contextmanager
def _blackhole() -> Iterator[str]:
    with full_backlog() as port:
        yield f"http://{LOOPBACK}:{port}"


@contextmanager
def _tls(context: Callable[[Path], ssl.SSLContext]) -> Iterator[str]:
    with (
        tempfile.TemporaryDirectory() as folder,
        FaultyServer(send(GOOD), tls=context(Path(folder))) as server,
    ):
        yield server.url


@contextmanager
def _first(behaviour: Behaviour) -> Iterator[str]:
    with FaultyServer(behaviour, speaks_first=True) as server:
        yield f"https://localhost:{server.port}"


def _some(sizes: range) -> Sequence[int]:
    """Return sizes from the first to the last: an answer may be cut anywhere."""
    return sorted({*sizes[::17], *sizes[:3], *sizes[-3:]})


_LOST = "EndpointConnectionError MalformedResponse"
_STATUS, _HEADERS = GOOD.index(b"\r\n"), GOOD.index(b"\r\n\r\n") + 4
_REGIONS = {
    "before the answer": range(1),
    "in the status line": range(1, _STATUS),
    "in the headers": _some(range(_STATUS, _HEADERS)),
    "in the body": _some(range(_HEADERS, len(GOOD))),
}
_BODY = page(LISTED)

CONNECTION = (
    _elsewhere("connection refused", "EndpointConnectionError", _refused),
    _elsewhere("name that does not exist", "EndpointConnectionError", _no_name),
    _elsewhere("connection that is never accepted", "Deadline", _blackhole, TIMEOUT),
    _elsewhere(
        "certificate of an unknown authority",
        "EndpointConnectionError",
        lambda: _tls(Authority().server),
    ),
    _elsewhere(
        "TLS handshake that is refused",
        "EndpointConnectionError",
        lambda: _first(send_and_close(b"\x15\x03\x03\x00\x02\x02\x28")),
    ),
    _elsewhere(
        "TLS handshake that never ends", "Deadline", lambda: _first(send_and_hang()), TIMEOUT
    ),
    _elsewhere(
        "no TLS where there should be",
        "EndpointConnectionError",
        lambda: _first(send_and_close(b"HTTP/1.1 400 Bad Request\r\n\r\n")),
    ),
    *(
        _fault(f"reset {where}", _LOST, *(send_and_reset(GOOD[:size]) for size in sizes))
        for where, sizes in _REGIONS.items()
    ),
    *(
        _fault(f"end of stream {where}", _LOST, *(send_and_close(GOOD[:size]) for size in sizes))
        for where, sizes in _REGIONS.items()
    ),
    _fault("no answer", "Deadline", send_and_hang(), timeout=TIMEOUT),
    _fault("no end of the answer", "Deadline", send_and_hang(GOOD[:-1]), timeout=TIMEOUT),
    _fault(
        "slow drip past the deadline",
        "Deadline",
        drip(GOOD),
        drip(response(_BODY, length=None)),
        drip(chunked(*(bytes([byte]) for byte in _BODY.encode()))),
        timeout=TIMEOUT,
    ),
)

# -- bytes that are no answer -----------------------------------------------------------------

_MEGABYTE = b"x" * 1024 * 1024
_NONE = "{}," * 80_000 + "{}"

VALUES: Mapping[str, Any] = {
    "null": None,
    "true": True,
    "number": 7,
    "fraction": 1.5,
    "empty text": "",
    "text": "text",
    "list": ["text"],
    "list of lists": [[]],
    "object": {"a": 1},
}


def _bodies(*values: object) -> Iterator[Behaviour]:
    return (send(response(json.dumps(value))) for value in values)


def _no_list() -> Iterator[object]:
    yield from (value for value in VALUES.values() if not isinstance(value, dict))
    yield from ({"invitations": value} for value in VALUES.values())
    yield from ({}, {"Invitations": []}, {"message": "OK"})


def _no_invitation() -> Iterator[object]:
    others = (value for value in VALUES.values() if not isinstance(value, dict))
    return ({"invitations": [*LISTED, value]} for value in others)


def _no_text(field: str) -> Iterator[object]:
    others: Iterator[Any] = (
        value for value in VALUES.values() if value is not None and not isinstance(value, str)
    )
    return ({"invitations": [LISTED[0], {**LISTED[1], field: value}]} for value in others)


_NO_TOKENS: Sequence[Any] = (7, True, [], {})

BYTES = (
    _fault(
        "100 MB of body",
        "MalformedResponse",
        *(
            flood(head, _MEGABYTE, 100)
            for head in (
                b"HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n",
                b"HTTP/1.1 200 OK\r\n\r\n",
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6400000\r\n",
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
                b"HTTP/1.1 304 No\r\nTransfer-Encoding: chunked\r\n\r\n6400000\r\n",
                b"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
            )
        ),
    ),
    _fault(
        "more invitations than an account can have",
        "MalformedResponse",
        send(response('{"invitations": [' + "{}," * 349_000 + "{}]}")),
        by_turns(
            *(send(response(f'{{"nextToken": "{n}", "invitations": [{_NONE}]}}')) for n in "ab")
        ),
    ),
    _fault(
        "headers without end",
        "MalformedResponse Deadline",
        flood(b"HTTP/1.1 200 OK\r\n", b"X-Header: x\r\n", 1_000_000),
        flood(b"HTTP/1.1 200 OK\r\nX-Header: ", _MEGABYTE, 100),
        flood(b"HTTP/1.1 200 OK\r\n", b"X-Header: " + b"x" * 65_000 + b"\r\n", 99),
        flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 10_000_000),
        timeout=TIMEOUT,
    ),
    _fault(
        "invalid UTF-8",
        "MalformedResponse",
        *(
            send(response(_BODY.encode().replace(b"Invited", bad)))
            for bad in (b"\xff\xfe", b"\xc3\x28", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80")
        ),
        send(response('{"invitations": [{"relationshipStatus": "\\ud800"}]}')),
    ),
    _fault(
        "deep JSON",
        "MalformedResponse",
        send(response("[" * 250_000)),
        send(response('{"invitations":' * 17_000)),
        send(response('{"invitations": [' + "[" * 130_000 + "]" * 130_000 + "]}")),
    ),
    _fault(
        "JSON that is none",
        "MalformedResponse",
        *(send(response(_BODY[:size])) for size in range(0, len(_BODY), 7)),
        send(response(_BODY + "}")),
        send(response("\x00" * 1000)),
        send(response('{"invitations": [NaN]}')),
        send(response('{"invitations": 1' + "0" * 10_000 + "}")),
        send(response(b"\x1f\x8b\x08\x00\x00", headers={"Content-Encoding": "gzip"})),
    ),
    _fault("wrong type of the answer", "MalformedResponse", *_bodies(*_no_list())),
    _fault("wrong type of an invitation", "MalformedResponse", *_bodies(*_no_invitation())),
    *(
        _fault(f"wrong type of {field}", "MalformedResponse", *_bodies(*_no_text(field)))
        for field in ("accountId", "invitationId", "relationshipStatus")
    ),
    _fault(
        "wrong type of nextToken",
        "MalformedResponse",
        *_bodies(*({"invitations": LISTED, "nextToken": value} for value in _NO_TOKENS)),
    ),
    _fault(
        "a part of the answer, or not AWS's own",
        "MalformedResponse",
        send(response(page(LISTED[:1]), 206)),
        send(response(page(()), 203)),
        send(response(page(()), 202)),
        *(send(response("", status)) for status in (200, 201, 204, 206, 300, 304)),
    ),
    _fault(
        "HTML instead of JSON",
        "MalformedResponse",
        send(response("<!DOCTYPE html><html>log in here</html>", 200)),
        send(response("<html>moved</html>", 302, {"Location": "http://127.0.0.1:1/"})),
        send(response("<html>not found</html>", 404)),
    ),
    _fault(
        "no HTTP",
        "MalformedResponse",
        send_and_close(b"SSH-2.0-OpenSSH_9.2\r\n"),
        send_and_close(b"\x15\x03\x01\x00\x02\x02\x46"),
        send_and_close(b"HTTP/1.1 2OO OK\r\n\r\n"),
    ),
)

# -- pages --------------------------------------------------------------------------------------


def _page(number: int, body: str) -> Behaviour:
    """Return page after page, each with another token, and this body as one of them."""

    def behave(peer: Peer) -> bool:
        is_it = f"nextToken=t{number}&" in f"{peer.request.target}&"
        return send(response(body) if is_it else _next_page(peer))(peer)

    return behave


def _next_page(peer: Peer) -> bytes:
    token = peer.request.target.partition("nextToken=t")[2]
    number = int(token or 0) + 1
    return response(page([invitation(f"other-{number}")], nextToken=f"t{number}"))


def _last(data: bytes) -> Behaviour:
    """Return two pages in order, and this instead of the third, however often it is asked for."""

    def behave(peer: Peer) -> bool:
        return send(data if "nextToken=t2" in peer.request.target else _next_page(peer))(peer)

    return behave


def error(code: str, status: int, message: str = "no") -> bytes:
    """Write an error as Macie does."""
    return response(json.dumps({"message": message}), status, {"x-amzn-ErrorType": code})


_EXPIRED = error("ExpiredTokenException", 403, "The security token included is expired")

PAGES = (
    _fault(
        "pages without end", "Deadline", lambda peer: send(_next_page(peer))(peer), timeout=TIMEOUT
    ),
    _fault(
        "page token that comes again",
        "PaginationLoop",
        send(response(page(LISTED, nextToken="same"))),
    ),
    _fault("last page fails", "InternalServerException", _last(error("x", 500))),
    _fault("last page is throttled", "ThrottlingException", _last(response("", 429))),
    _fault(
        "last page is denied", "AccessDeniedException", _last(error("AccessDeniedException", 403))
    ),
    _fault("last page is malformed", "MalformedResponse", _last(response("{}"))),
    _fault(
        "last page is cut",
        "EndpointConnectionError",
        lambda peer: (
            send_and_reset(GOOD[:-3])(peer)
            if "nextToken=t2" in peer.request.target
            else send(_next_page(peer))(peer)
        ),
    ),
    _fault("credentials expire between pages", "ExpiredTokenException", _last(_EXPIRED)),
)

# -- what AWS refuses ------------------------------------------------------------------------

_DENIED = "User: arn:aws:sts::111122223333:assumed-role/reader/x is not authorized to perform: "
_DENIALS = (
    _DENIED + "macie2:ListInvitations because no identity-based policy allows the "
    "macie2:ListInvitations action",
    _DENIED + "macie2:ListInvitations with an explicit deny in a service control policy",
    _DENIED + "macie2:ListInvitations with an explicit deny in a resource control policy",
    _DENIED + "macie2:ListInvitations because no permissions boundary allows it",
    _DENIED + "macie2:ListInvitations because no session policy allows it",
    _DENIED + "macie2:ListInvitations because no VPC endpoint policy allows it",
    "You must be the Macie administrator: Macie is not enabled.",
    "Access denied",
    "Forbidden",
    "",
)


def _denials() -> Iterator[Behaviour]:
    for status in (401, 403):
        yield from (send(error("AccessDeniedException", status, text)) for text in _DENIALS)


def _blocked() -> Iterator[Behaviour]:
    bodies = ("", "{}", "Forbidden", "<html>403</html>", '{"Message": "no"}')
    return (send(response(body, status)) for status in (401, 403) for body in bodies)


def _refusals(code: str, *texts: str, status: int = 403) -> Fault:
    return _fault(f"refused: {code}", code, *(send(error(code, status, text)) for text in texts))


REFUSALS = (
    _fault(
        "429 storm",
        "ThrottlingException TooManyRequestsException",
        *[send(response("", 429))] * 10,
        *[send(error("TooManyRequestsException", 429))] * 10,
    ),
    _fault(
        "5xx storm",
        "InternalServerException",
        *(send(response("", status)) for status in (500, 502, 503, 504, 599) * 4),
        *(send(response("<html>Bad Gateway</html>", status)) for status in (500, 502, 503, 504)),
    ),
    _fault("access denied, in all wordings", "AccessDeniedException", *_denials()),
    _fault("denied by something on the way", "MalformedResponse", *_blocked()),
    _refusals(
        "UnrecognizedClientException", "The security token included in the request is invalid."
    ),
    _refusals("ExpiredTokenException", "The security token included in the request is expired"),
    _refusals("MissingAuthenticationTokenException", "Missing Authentication Token"),
    _refusals("OptInRequired", "The AWS Access Key Id needs a subscription for the service"),
    _fault(
        "clock skew",
        "InvalidSignatureException RequestExpired SignatureDoesNotMatch",
        send(
            error(
                "InvalidSignatureException",
                403,
                "Signature expired: 20231114T000000Z is now earlier than 20231114T221320Z "
                "(20231114T221820Z - 5 min.)",
            )
        ),
        send(
            error(
                "InvalidSignatureException",
                403,
                "Signature not yet current: 20231115T000000Z is still later than 20231114T221820Z",
            )
        ),
        send(error("RequestExpired", 400, "Request has expired.")),
        send(error("SignatureDoesNotMatch", 403, "Signature expired")),
    ),
    _fault(
        "error code that nobody knows",
        "other",
        send(error("BrandNewException", 400)),
        send(error("x" * 5000, 400)),
    ),
)

FAULTS: Mapping[str, Fault] = {
    fault.name: fault for group in (CONNECTION, BYTES, PAGES, REFUSALS) for fault in group
}

# -- strange answers ---------------------------------------------------------------------------


def _count(bucket: str, number: float) -> str:
    return f'macie_invitations{{age_bucket="{bucket}",T,relationship_status="Invited"}} {number}\n'


def _one_in(bucket: str) -> str:
    """Say that there is one invitation, of this age; `unknown` shows only where there is one."""
    known = ("00d-01d", "01d-07d", "07d-30d", "30d-90d", "90d-inf")
    others = "" if bucket in known else _count(bucket, 1.0)
    return "".join(_count(name, float(name == bucket)) for name in known) + others


_TAIL = "macie_enabled{T} 1.0\n"
_NO_MACIE = f"{DROPPED}macie_enabled{{T}} 0.0\n"
_BAD_DATES: Sequence[Any] = (
    None,
    "",
    "yesterday",
    "2023-13-45T99:99:99Z",
    "2023-02-30T00:00:00Z",
    "2023-11-14",
    "14/11/2023 00:00",
    "0000-01-01T00:00:00Z",
    "10000-01-01T00:00:00Z",
    "2023-11-14T00:00:00.000Zgarbage",
    "NaN",
    "Infinity",
    "1e400",
    "9" * 400,
    "\u0662\u0660\u0662\u0663-11-14T00:00:00Z",
    1699920000,
    float("nan"),
    float("inf"),
    1e300,
    10**400,
    True,
    [],
    {},
    ["2023-11-14T00:00:00Z"],
)


def _dated(*moments: object) -> Iterator[Behaviour]:
    for moment in moments:
        one = {**LISTED[1], "invitedAt": moment}
        yield send(response(page([one])))


def _when(bucket: str, moment: str) -> str:
    """Say that there is one invitation, of this age and moment, if that could be read."""
    status = 'relationship_status="Invited"'
    who = f'T,inviter_account_id="999988887777",{status}'
    single = f'T,invitation_id="i-2",inviter_account_id="999988887777",{status}'
    lines = (
        f"macie_invitation_oldest_timestamp_seconds{{T,{status}}} {moment}\n",
        f"macie_invitation_newest_timestamp_seconds{{T,{status}}} {moment}\n",
        (
            f"macie_untrusted_invitations{{T,{status}}} 1.0\n"
            f"macie_untrusted_inviter_timestamp_seconds{{{who}}} {moment or '0.0'}\n"
            "macie_untrusted_inviter_series_dropped 0.0\n"
        ),
        f"macie_invitation_timestamp_seconds{{{single}}} {moment}\n",
        f"macie_invitation_series_dropped 0.0\n{_TAIL}",
    )
    return _one_in(bucket) + "".join(lines if moment else (lines[2], lines[4]))


# Invitations are counted as often as AWS lists them; a series of its own each has once.
_TWICE = "".join(
    line.replace(" 1.0", " 2.0") if line.startswith(("macie_invitations", "macie_untr")) else line
    for line in SAYS.splitlines(keepends=True)
)


def _many_pages(count: int) -> Behaviour:
    """Return empty pages, and what there is on the last of so many."""
    last = response(page(LISTED))

    def behave(peer: Peer) -> bool:
        number = int(peer.request.target.partition("nextToken=t")[2] or 0) + 1
        return send(last if number == count else response(page([], nextToken=f"t{number}")))(peer)

    return behave


ODDITIES: Mapping[str, Oddity] = {
    oddity.name: oddity
    for oddity in (
        Oddity("2,000 pages", (_many_pages(2_000),)),
        Oddity(
            "duplicate ids",
            (
                send(response(page([*LISTED, *LISTED]))),
                by_turns(send(response(page(LISTED, nextToken="t"))), send(GOOD)),
            ),
            _TWICE,
        ),
        Oddity("dates in every bad form", tuple(_dated(*_BAD_DATES)), _when("unknown", "")),
        Oddity(
            "the year 1",
            tuple(_dated("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000+00:00")),
            _when("90d-inf", "-62135596800.0"),
        ),
        Oddity(
            "the year 9999",
            tuple(_dated("9999-12-31T23:59:59Z")),
            _when("00d-01d", "2.53402300799e+11"),
        ),
        Oddity(
            "Macie is not enabled, in all wordings",
            tuple(
                send(error("AccessDeniedException", status, text))
                for status in (401, 403)
                for text in (
                    "Macie is not enabled.",
                    "Macie is not enabled",
                    "macie is not enabled.",
                )
            ),
            _NO_MACIE,
            "not_enabled",
        ),
        Oddity(
            "faults that pass within the poll",
            (
                by_turns(send(response("", 429)), send(response("", 503)), send(GOOD)),
                by_turns(send_and_reset(GOOD[:9]), send_and_close(b""), send(GOOD)),
            ),
        ),
        Oddity("a drip that is done in time", (drip(GOOD, 0.0005),)),
    )
}
