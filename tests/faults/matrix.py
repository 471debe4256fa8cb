"""The fault matrix: what AWS's side may do, and what the metrics then say. One table, no tests.

A fault is a poll that gets no answer; an oddity is an answer all the same, though a strange one.
docs/reliability.md has a row for each.
"""

import json
import ssl
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.aws.certificates import Authority
from tests.faults.watch import GOOD, LISTED, NOTHING, SAYS
from tests.faulty import (
    LOOPBACK,
    Behaviour,
    FaultyServer,
    Request,
    by_turns,
    chunked,
    drip,
    flood,
    full_backlog,
    invitation,
    page,
    reply,
    response,
    send,
    send_and_close,
    send_and_hang,
    send_and_reset,
)
from tests.processes import PATIENCE, refusing_port

TIMEOUT = 0.6
"""Seconds that a poll may take where the fault is that nothing comes to an end."""

Endpoint = Callable[[], AbstractContextManager[str]]
"""Makes a context that gives the URL of an endpoint."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What a server does, each of the behaviours in turn, and the error codes that it may get.

    An endpoint is what is called instead.
    """

    codes: frozenset[str]
    behaviours: Sequence[Behaviour]
    endpoint: Endpoint | None
    timeout: float


@dataclass(frozen=True, slots=True)
class Oddity:
    """What a server does, and what the metrics then say."""

    behaviours: Sequence[Behaviour]
    says: str = SAYS
    state: str = "ok"


def _fault(
    codes: str, *does: Behaviour, at: Endpoint | None = None, timeout: float = PATIENCE
) -> Fault:
    return Fault(frozenset(codes.split()), does, at, timeout)


def _hangs(*does: Behaviour, at: Endpoint | None = None, codes: str = "Deadline") -> Fault:
    return _fault(codes, *does, at=at, timeout=TIMEOUT)


# -- the connection -------------------------------------------------------------------------


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


_FAILED, _MALFORMED = "EndpointConnectionError", "MalformedResponse"
_STATUS, _HEADERS = GOOD.index(b"\r\n"), GOOD.index(b"\r\n\r\n") + 4
_CUTS = {
    "before the answer": range(1),
    "in the status line": range(1, _STATUS),
    "in the headers": _some(range(_STATUS, _HEADERS)),
    "in the body": _some(range(_HEADERS, len(GOOD))),
}
_ENDS = {"reset": send_and_reset, "end of stream": send_and_close}
_BODY = page(LISTED)

_CONNECTION: Mapping[str, Fault] = {
    "connection refused": _fault(
        _FAILED, at=lambda: nullcontext(f"http://{LOOPBACK}:{refusing_port()}")
    ),
    "name that does not exist": _fault(_FAILED, at=lambda: nullcontext("http://nowhere.invalid")),
    "connection that is never accepted": _hangs(at=_blackhole),
    "certificate of an unknown authority": _fault(_FAILED, at=lambda: _tls(Authority().server)),
    "TLS handshake that is refused": _fault(
        _FAILED, at=lambda: _first(send_and_close(b"\x15\x03\x03\x00\x02\x02\x28"))
    ),
    "TLS handshake that never ends": _hangs(at=lambda: _first(send_and_hang())),
    "no TLS where there should be": _fault(
        _FAILED, at=lambda: _first(send_and_close(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    ),
    **{
        f"{end} {where}": _fault(
            f"{_FAILED} {_MALFORMED}", *(behaviour(GOOD[:size]) for size in sizes)
        )
        for end, behaviour in _ENDS.items()
        for where, sizes in _CUTS.items()
    },
    "no answer": _hangs(send_and_hang()),
    "no end of the answer": _hangs(send_and_hang(GOOD[:-1])),
    "slow drip past the deadline": _hangs(
        drip(GOOD),
        drip(response(_BODY, length=None)),
        drip(chunked(*(bytes([byte]) for byte in _BODY.encode()))),
    ),
}

# -- bytes that are no answer -----------------------------------------------------------------

_MEGABYTE = b"x" * 1024 * 1024
_EMPTY_ONES = "{}," * 80_000 + "{}"
_VALUES: Sequence[Any] = (None, True, 7, 1.5, "", "text", ["text"], [[]], {"a": 1})
_NO_OBJECTS = [value for value in _VALUES if not isinstance(value, dict)]
_NO_TEXTS = [value for value in _VALUES if not isinstance(value, str | None)]


def _says(*bodies: str | bytes, status: int = 200) -> list[Behaviour]:
    return [send(response(body, status)) for body in bodies]


def _malformed(*values: object) -> Fault:
    return _fault(_MALFORMED, *_says(*(json.dumps(value) for value in values)))


_BYTES: Mapping[str, Fault] = {
    "100 MB of body": _fault(
        _MALFORMED,
        *(
            flood(head + b"\r\n", _MEGABYTE, 100)
            for head in (
                b"HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n",
                b"HTTP/1.1 200 OK\r\n",
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6400000",
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1",
                b"HTTP/1.1 304 No\r\nTransfer-Encoding: chunked\r\n\r\n6400000",
                b"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n-1",
            )
        ),
    ),
    "more invitations than an account can have": _fault(
        _MALFORMED,
        *_says('{"invitations": [' + "{}," * 349_000 + "{}]}"),
        by_turns(
            *_says(*(f'{{"nextToken": "{n}", "invitations": [{_EMPTY_ONES}]}}' for n in "ab"))
        ),
    ),
    "headers without end": _hangs(
        flood(b"HTTP/1.1 200 OK\r\n", b"X-Header: x\r\n", 1_000_000),
        flood(b"HTTP/1.1 200 OK\r\nX-Header: ", _MEGABYTE, 100),
        flood(b"HTTP/1.1 200 OK\r\n", b"X-Header: " + b"x" * 65_000 + b"\r\n", 99),
        flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 10_000_000),
        codes=f"{_MALFORMED} Deadline",
    ),
    "invalid UTF-8": _fault(
        _MALFORMED,
        *_says(
            *(
                _BODY.encode().replace(b"Invited", bad)
                for bad in (b"\xff\xfe", b"\xc3\x28", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80")
            ),
            '{"invitations": [{"relationshipStatus": "\\ud800"}]}',
        ),
    ),
    "deep JSON": _fault(
        _MALFORMED,
        *_says(
            "[" * 250_000,
            '{"invitations":' * 17_000,
            '{"invitations": [' + "[" * 130_000 + "]" * 130_000 + "]}",
        ),
    ),
    "JSON that is none": _fault(
        _MALFORMED,
        *_says(*(_BODY[:size] for size in range(0, len(_BODY), 7))),
        *_says(_BODY + "}", "\x00" * 1000, '{"invitations": [NaN]}'),
        *_says('{"invitations": 1' + "0" * 10_000 + "}"),
        send(response(b"\x1f\x8b\x08\x00\x00", headers={"Content-Encoding": "gzip"})),
    ),
    "wrong type of the answer": _malformed(
        *_NO_OBJECTS,
        *({"invitations": value} for value in _VALUES),
        *({}, {"Invitations": []}, {"message": "OK"}),
    ),
    "wrong type of an invitation": _malformed(
        *({"invitations": [*LISTED, value]} for value in _NO_OBJECTS)
    ),
    **{
        f"wrong type of {field}": _malformed(
            *({"invitations": [LISTED[0], {**LISTED[1], field: value}]} for value in _NO_TEXTS)
        )
        for field in ("accountId", "invitationId", "relationshipStatus")
    },
    "wrong type of nextToken": _malformed(
        *({"invitations": LISTED, "nextToken": value} for value in _NO_TEXTS)
    ),
    "a part of the answer, or not AWS's own": _fault(
        _MALFORMED,
        *_says(page(LISTED[:1]), status=206),
        *_says(page(()), status=203),
        *_says(page(()), status=202),
        *(send(response("", status)) for status in (200, 201, 204, 206, 300, 304)),
    ),
    "HTML instead of JSON": _fault(
        _MALFORMED,
        *_says("<!DOCTYPE html><html>log in here</html>"),
        send(response("<html>moved</html>", 302, {"Location": "http://127.0.0.1:1/"})),
        *_says("<html>not found</html>", status=404),
    ),
    "no HTTP": _fault(
        _MALFORMED,
        send_and_close(b"SSH-2.0-OpenSSH_9.2\r\n"),
        send_and_close(b"\x15\x03\x01\x00\x02\x02\x46"),
        send_and_close(b"HTTP/1.1 2OO OK\r\n\r\n"),
    ),
}

# -- pages --------------------------------------------------------------------------------------


def _page_number(asked: Request) -> int:
    """Return which page is asked for, by a token such as t2."""
    return int(asked.target.partition("nextToken=t")[2] or 0) + 1


def _next_page(asked: Request) -> bytes:
    """Return page after page, each with another token."""
    number = _page_number(asked)
    return response(page([invitation(f"other-{number}")], nextToken=f"t{number}"))


def _last(end: Behaviour) -> Behaviour:
    """Return two pages in order, and this instead of the third, however often it is asked for."""
    pages = reply(_next_page)
    return lambda peer: (end if _page_number(peer.request) == 3 else pages)(peer)


def error(code: str, status: int, message: str = "no") -> bytes:
    """Write an error as Macie does."""
    return response(json.dumps({"message": message}), status, {"x-amzn-ErrorType": code})


_EXPIRED = error("ExpiredTokenException", 403, "The security token included is expired")

_PAGES: Mapping[str, Fault] = {
    "pages without end": _hangs(reply(_next_page)),
    "page token that comes again": _fault("PaginationLoop", *_says(page(LISTED, nextToken="same"))),
    "last page fails": _fault("InternalServerException", _last(send(error("x", 500)))),
    "last page is throttled": _fault("ThrottlingException", _last(send(response("", 429)))),
    "last page is denied": _fault(
        "AccessDeniedException", _last(send(error("AccessDeniedException", 403)))
    ),
    "last page is malformed": _fault(_MALFORMED, _last(send(response("{}")))),
    "last page is cut": _fault(_FAILED, _last(send_and_reset(GOOD[:-3]))),
    "credentials expire between pages": _fault("ExpiredTokenException", _last(send(_EXPIRED))),
}

# -- what AWS refuses ------------------------------------------------------------------------

_DENIALS = (Path(__file__).parent / "denials.txt").read_text().split("\n")
"""What AWS says where it denies; the last says nothing."""
_SKEWS = (
    "Signature expired: 20231114T000000Z is now earlier than 20231114T221320Z (… - 5 min.)",
    "Signature not yet current: 20231115T000000Z is still later than 20231114T221820Z",
)
_NO_ERRORS = ("", "{}", "Forbidden", "<html>403</html>", '{"Message": "no"}')
_NOT_ENABLED = ("Macie is not enabled.", "Macie is not enabled", "macie is not enabled.")


def _denied(*texts: str) -> list[Behaviour]:
    denial = "AccessDeniedException"
    return [send(error(denial, status, text)) for status in (401, 403) for text in texts]


_REFUSED = (
    *("UnrecognizedClientException", "ExpiredTokenException"),
    *("MissingAuthenticationTokenException", "OptInRequired"),
)

_REFUSALS: Mapping[str, Fault] = {
    "429 storm": _fault(
        "ThrottlingException TooManyRequestsException",
        send(response("", 429)),
        send(error("TooManyRequestsException", 429)),
    ),
    "5xx storm": _fault(
        "InternalServerException",
        *(send(response("", status)) for status in (500, 502, 503, 504, 599)),
        *(send(response("<html>Bad Gateway</html>", status)) for status in (500, 502, 503, 504)),
    ),
    "access denied, in all wordings": _fault("AccessDeniedException", *_denied(*_DENIALS)),
    "denied by something on the way": _fault(
        _MALFORMED, *_says(*_NO_ERRORS, status=401), *_says(*_NO_ERRORS, status=403)
    ),
    **{f"refused: {code}": _fault(code, send(error(code, 403))) for code in _REFUSED},
    "clock skew": _fault(
        "InvalidSignatureException RequestExpired SignatureDoesNotMatch",
        *(send(error("InvalidSignatureException", 403, text)) for text in _SKEWS),
        send(error("RequestExpired", 400, "Request has expired.")),
        send(error("SignatureDoesNotMatch", 403, "Signature expired")),
    ),
    "error code that nobody knows": _fault(
        "other", send(error("BrandNewException", 400)), send(error("x" * 5000, 400))
    ),
}

FAULTS: Mapping[str, Fault] = {**_CONNECTION, **_BYTES, **_PAGES, **_REFUSALS}

# -- strange answers ---------------------------------------------------------------------------

_BAD_DATES: Sequence[Any] = (
    *(None, "", "yesterday", "2023-13-45T99:99:99Z", "2023-11-14", "0000-01-01T00:00:00Z"),
    *(1699920000, float("nan"), float("inf"), 10**400, True, [], {}, ["2023-11-14T00:00:00Z"]),
)
"""Of each type; more texts are those of tests/aws/test_invitations.py."""

_ONE = (Path(__file__).parent / "says-of-one.txt").read_text()
"""What the metrics say of one invitation, but for its age."""


def _dated(bucket: str, when: str, *moments: object) -> Oddity:
    """Have one invitation be dated so; without `when` its date cannot be read."""
    text = _ONE.replace("WHEN_OR_0", when or "0.0").replace("WHEN", when or "nothing")
    says = "".join(
        line.replace(" 0.0", " 1.0") if f'"{bucket}"' in line else line
        for line in text.splitlines(keepends=True)
        if (" nothing" if not when else '"unknown"') not in line
    )
    dated = ({**LISTED[1], "invitedAt": moment} for moment in moments)
    return Oddity(_says(*(page([one]) for one in dated)), says)


# Invitations are counted as often as AWS lists them; a series of its own each has once.
_TWICE = "".join(
    line.replace(" 1.0", " 2.0") if line.startswith(("macie_invitations", "macie_untr")) else line
    for line in SAYS.splitlines(keepends=True)
)


def _many_pages(asked: Request) -> bytes:
    """Return empty pages, and what there is on the two thousandth."""
    number = _page_number(asked)
    return GOOD if number == 2_000 else response(page([], nextToken=f"t{number}"))


ODDITIES: Mapping[str, Oddity] = {
    "2,000 pages": Oddity([reply(_many_pages)]),
    "duplicate ids": Oddity(
        [
            *_says(page([*LISTED, *LISTED])),
            by_turns(*_says(page(LISTED, nextToken="t")), send(GOOD)),
        ],
        _TWICE,
    ),
    "dates in every bad form": _dated("unknown", "", *_BAD_DATES),
    "the year 1": _dated(
        "90d-inf", "-62135596800.0", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000+00:00"
    ),
    "the year 9999": _dated("00d-01d", "2.53402300799e+11", "9999-12-31T23:59:59Z"),
    "Macie is not enabled, in all wordings": Oddity(
        _denied(*_NOT_ENABLED), f"{NOTHING}macie_enabled{{T}} 0.0\n", "not_enabled"
    ),
    "faults that pass within the poll": Oddity(
        [
            by_turns(send(response("", 429)), send(response("", 503)), send(GOOD)),
            by_turns(send_and_reset(GOOD[:9]), send_and_close(b""), send(GOOD)),
        ]
    ),
    "a drip that is done in time": Oddity([drip(GOOD, 0.0005)]),
}
