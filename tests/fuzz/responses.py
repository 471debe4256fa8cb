"""Bytes on the wire to metrics: a failure with a known code, or what the bytes say and no more."""

import io
import json
import os
import re
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from http.client import HTTPException, HTTPResponse
from typing import Any, TypeVar

import pytest

from exporter.error_codes import ERRORS
from exporter.model import KNOWN_STATUSES, Answer, AwsError, Failure, PollResult
from tests.aws.rig import REGION, Stage, stage
from tests.exposition.scene import PAYMENTS, Scene, options
from tests.faults.services import IDENTITY, refusal
from tests.faulty import Behaviour, chunked, invitation, page, response, send, send_and_close
from tests.fuzz.engine import Case, Target

T = TypeVar("T")

_SAMPLE = re.compile(rb'([a-z_]+(?:\{(?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)+\})?) (\S+)')
_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)

_LISTED = page([invitation("a"), invitation("b", relationshipStatus="Enabled", invitedAt=None)])
_OFF = '{"message": "Macie is not enabled."}'
_DENIED = {"x-amzn-ErrorType": "AccessDeniedException"}


@contextmanager
def _staged() -> Iterator[Stage]:
    with pytest.MonkeyPatch.context() as environment:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            environment.delenv(name)
        for name, value in {
            "AWS_DEFAULT_REGION": REGION,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "NO_PROXY": "*",
        }.items():
            environment.setenv(name, value)
        with stage(attempts=1) as made:
            environment.setenv("AWS_ENDPOINT_URL", made.server.url)
            yield made


class _Wire(io.BytesIO):
    """Bytes, as http.client reads them from a socket."""

    def makefile(self, _: str) -> io.BytesIO:
        return self


def _parsed(data: bytes) -> tuple[int, bytes] | None:
    """Return status and body as Python's own client reads them."""
    reader: Any = _Wire(data)
    answer = HTTPResponse(reader, method="GET")
    try:
        answer.begin()
        return answer.status, answer.read()
    except (HTTPException, OSError, ValueError):
        return None


_END = b"\n0\r\n\r\n"


def _sent(data: bytes) -> tuple[int, bytes] | None:
    """Return status and body as the standard library reads them; None where it does not.

    aiohttp's parser lets a line feed alone end the last chunk, and reads the same body.
    """
    ended = data.removesuffix(_END)
    return _parsed(data) or (_parsed(ended + b"\r" + _END) if ended != data else None)


def _checked(answer: Answer, sent: tuple[int, bytes] | None) -> None:
    """Hold an answer to what was sent."""
    assert sent is not None
    status, body = sent
    if not answer.enabled:
        assert status >= 400
        assert b"macie is not enabled" in body.lower()
        return
    assert status < 300
    told = json.loads(body)
    assert not told.get("nextToken")
    assert len(told["invitations"]) == len(answer.invitations)
    for fields, found in zip(told["invitations"], answer.invitations, strict=True):
        assert (fields.get("accountId") or "") == found.inviter_account_id
        assert (fields.get("invitationId") or "") == found.invitation_id
        told_status = fields.get("relationshipStatus") or "unknown"
        # A status that differs from a known one in case alone is that one.
        known = (each for each in KNOWN_STATUSES if each.casefold() == told_status.casefold())
        assert next(known, told_status) == found.relationship_status
        _dated(fields.get("invitedAt"), found.invited_at)


def _dated(told: object, found: float | None) -> None:
    if told is None or isinstance(told, bool | list | dict):
        assert found is None
    elif isinstance(told, str) and _ISO.fullmatch(told):
        try:
            moment = datetime.strptime(told, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        except ValueError:
            assert found is None
        else:
            assert found == moment.timestamp()
    elif isinstance(told, int | float):
        assert found is None or found == told


class _Metrics:
    """The metrics of one target."""

    def __init__(self) -> None:
        shows = options(zero_fill="invited", trusted=("222233334444",), most=10)
        self._scene = Scene(PAYMENTS, shows=shows)

    def check(self, outcome: Answer | Failure) -> None:
        """Take a poll in; hold the text of a scrape to the format, and to the numbers."""
        self._scene.record(PollResult(PAYMENTS, self._scene.clock.now(), 0.1, outcome))
        series: dict[bytes, float] = {}
        for line in self._scene.text().encode().split(b"\n"):
            if line and not line.startswith(b"#"):
                sample = _SAMPLE.fullmatch(line)
                assert sample, line
                assert sample[1] not in series, line
                series[sample[1]] = float(sample[2])
        counts = [n for key, n in series.items() if key.startswith(b"macie_invitations{")]
        if isinstance(outcome, Answer):
            assert sum(counts) == len(outcome.invitations)
        assert sum(n for key, n in series.items() if key.startswith(b"macie_exporter_targets")) == 1


def _outcome(read: Callable[[], T]) -> T | Failure:
    """Return what is read, or a failure of a known code in one line."""
    try:
        return read()
    except AwsError as error:
        failure = error.failure
    assert failure.code in ERRORS
    assert "\n" not in failure.message
    return failure


def _signature(outcome: Answer | Failure) -> Hashable:
    if isinstance(outcome, Failure):
        return outcome.code, re.sub(r"\d+|'.*'|\".*\"", "", outcome.message)[:40]
    return (
        outcome.enabled,
        min(len(outcome.invitations), 4),
        tuple(one.invited_at is None for one in outcome.invitations[:3]),
    )


def _reading(
    behaviour: Callable[[bytes], Behaviour], sent: Callable[[bytes], tuple[int, bytes] | None]
) -> Callable[[], AbstractContextManager[Case]]:
    """Read what a behaviour makes of some bytes; `sent` says what status and body they are."""

    @contextmanager
    def opened() -> Iterator[Case]:
        with _staged() as made:
            metrics = _Metrics()

            def case(data: bytes) -> Hashable:
                outcome = _outcome(made.play(behaviour(data)).read)
                if isinstance(outcome, Answer):
                    _checked(outcome, sent(data))
                metrics.check(outcome)
                return _signature(outcome)

            yield case

    return opened


@contextmanager
def _identities() -> Iterator[Case]:
    with _staged() as made:

        def case(data: bytes) -> Hashable:
            rig = made.play(send_and_close(data))
            found = _outcome(lambda: rig.run(rig.credentials.who_am_i()))
            if isinstance(found, Failure):
                return found.code
            assert found.encode() in data
            return len(found)

        yield case


_HTTP = (
    *(b"\r\n", b"\r\n\r\n", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"0\r\n\r\n"),
    *(b"Content-Length: ", b"Transfer-Encoding: chunked\r\n", b"Content-Encoding: gzip\r\n"),
    *(b" 403 ", b" 401 ", b" 429 ", b" 503 ", b" 204 ", b" 302 ", b"HTTP/1.0", b"HTTP/9.9"),
)
_JSON = (
    *(b"{}", b"[]", b"null", b"true", b'""', b"[", b"]", b"{", b"}", b",", b":", b'"', b"\\u0000"),
    *(b'"invitations"', b'"nextToken"', b'"invitedAt"', b'"accountId"', b'"relationshipStatus"'),
    *(b'"2024-02-30T00:00:00Z"', b'"0001-01-01T00:00:00Z"', b'"9999-12-31T23:59:59Z"'),
    *(b'"Tue, 14 Nov 2023 22:13:20 GMT"', b"+23:59", b"\\ud800", b"\xff", b"\xed\xa0\x80"),
    *(b'"Invited"', b"Macie is not enabled.", b"AccessDeniedException", b"\\n", b"\\\\", b'\\"'),
)

TARGETS = (
    Target(
        "response",
        240,
        (
            response(_LISTED),
            response(_LISTED, length=None),
            chunked(_LISTED[:50].encode(), _LISTED[50:].encode()),
            response(page([], nextToken="t")),
            response(_OFF, 403, _DENIED),
            response(_OFF, 401, _DENIED),
            response('{"__type": "com.amazonaws.macie2#ThrottlingException"}', 429),
            response('{"code": "ExpiredTokenException", "message": "expired"}', 403),
            response("<html><body>502</body></html>", 502),
        ),
        (*_HTTP, *_JSON),
        _reading(send_and_close, _sent),
    ),
    Target(
        "body",
        240,
        (
            _LISTED.encode(),
            page([invitation()], nextToken=None).encode(),
            page([invitation(invitedAt=1715000000.5)]).encode(),
            page([{}]).encode(),
        ),
        _JSON,
        _reading(lambda data: send(response(data)), lambda data: (200, data)),
    ),
    Target(
        "identity",
        60,
        (response(IDENTITY), refusal("AccessDenied", 403), response("<html></html>", 503)),
        (*_HTTP, b"<Account>", b"</Account>", b"&amp;", b"<![CDATA[", b"<!DOCTYPE x>", b"&x;"),
        _identities,
    ),
)
