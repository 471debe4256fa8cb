"""Bytes on the wire: an answer that says what they say, no more, or a failure of a known code."""

import io
import json
import os
import re
import socket
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from functools import partial
from http.client import HTTPResponse
from typing import Any, TypeVar
from unittest.mock import patch

from exporter.error_codes import ERRORS
from exporter.model import KNOWN_STATUSES, Answer, AwsError, Failure
from tests.aws.rig import REGION, Rig, stage
from tests.faults.services import IDENTITY, refusal
from tests.faulty import Behaviour, Peer, chunked, invitation, page, response, send
from tests.fuzz.engine import Case, Target, dictionary
from tests.processes import environment

T = TypeVar("T")

_LISTED = page([invitation("a"), invitation("b", relationshipStatus="Enabled", invitedAt=None)])
_OFF = '{"message": "Macie is not enabled."}'
_DENIED = {"x-amzn-ErrorType": "AccessDeniedException"}


Attempt = Callable[[Rig, bytes], Hashable]
"""Reads what some bytes make of an answer."""


@contextmanager
def _staged(behaviour: Callable[[bytes], Behaviour], attempt: Attempt) -> Iterator[Case]:
    variables = {
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
    with patch.dict(os.environ, environment(variables), clear=True), stage(attempts=1) as made:
        yield lambda data: attempt(made.play(behaviour(data)), data)


class _Wire(io.BytesIO):
    """Bytes, as http.client reads them from a socket."""

    def makefile(self, _: str) -> io.BytesIO:
        return self


def _send_with_end(data: bytes) -> Behaviour:
    """Send bytes and the end of the stream at once.

    Were the end to come later, it would be chance whether the next case meets a connection that is
    about to be closed.
    """

    def behave(peer: Peer) -> bool:
        peer.socket.sendall(data, socket.MSG_MORE)
        peer.socket.shutdown(socket.SHUT_WR)
        return False

    return behave


_CHUNK = re.compile(rb"([0-9a-fA-F]+)[^\n]*\n")


def _sent(data: bytes) -> tuple[int, bytes]:
    """Return status and body as the standard library reads them, but for chunks.

    Its client takes two bytes for the end of any chunk; aiohttp's takes a line feed alone as well.
    """
    wire: Any = _Wire(data)
    answer = HTTPResponse(wire, method="GET")
    answer.begin()
    return answer.status, _joined(answer.fp.read()) if answer.chunked else answer.read()


def _joined(chunks: bytes) -> bytes:
    """Return what stands in chunks, each ended by a line feed, with a return before it or not."""
    body, left = b"", chunks
    while (head := _CHUNK.match(left)) and (size := int(head[1], 16)):
        data = left[head.end() :]
        body += data[:size]
        left = data[size:].removeprefix(b"\r").removeprefix(b"\n")
    return body


_KNOWN = {status.casefold(): status for status in KNOWN_STATUSES}
"""A status that differs from one of these in case alone is that one."""


def _checked(answer: Answer, status: int, body: bytes) -> None:
    """Hold an answer to what was sent."""
    if not answer.enabled:
        assert status >= 400
        assert b"macie is not enabled" in body.lower()
        return
    assert status < 300
    told = json.loads(body)
    assert not told.get("nextToken")
    for fields, found in zip(told["invitations"], answer.invitations, strict=True):
        assert (fields.get("accountId") or "") == found.inviter_account_id
        assert (fields.get("invitationId") or "") == found.invitation_id
        told_status = fields.get("relationshipStatus") or "unknown"
        assert _KNOWN.get(told_status.casefold(), told_status) == found.relationship_status


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


def _listed(sent: Callable[[bytes], tuple[int, bytes]]) -> Attempt:
    """Read a list; `sent` says what status and body the bytes are."""

    def attempt(rig: Rig, data: bytes) -> Hashable:
        outcome = _outcome(rig.read)
        if isinstance(outcome, Answer):
            _checked(outcome, *sent(data))
        return _signature(outcome)

    return attempt


def _identity(rig: Rig, data: bytes) -> Hashable:
    found = _outcome(lambda: rig.run(rig.credentials.who_am_i()))
    if isinstance(found, Failure):
        return _signature(found)
    assert found.encode() in data
    return len(found)


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
        dictionary("http", "json"),
        partial(_staged, _send_with_end, _listed(_sent)),
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
        dictionary("json"),
        partial(_staged, lambda data: send(response(data)), _listed(lambda data: (200, data))),
    ),
    Target(
        "identity",
        60,
        (response(IDENTITY), refusal("AccessDenied", 403), response("<html></html>", 503)),
        dictionary("http", "xml"),
        partial(_staged, _send_with_end, _identity),
    ),
)
