"""What of a poll is worth a line, and at which level."""

import io
from collections.abc import Mapping

import pytest

from exporter.audit import Audit
from exporter.log import Lines
from exporter.model import NO_TRUST, Answer, Failure, PollResult, Target, Trust
from exporter.state import TargetRecord
from exporter.state.records import advance
from tests.exposition.scene import invitation
from tests.statuses import answered

HERE = Target("111122223333", "eu-west-1")
WHERE = "account=111122223333 region=eu-west-1"
TS = "ts=2023-11-14T22:13:20.000Z"

THROTTLED = Failure("ThrottlingException", "Rate exceeded", "req-1")
DENIED = Failure("AccessDeniedException", "User: x is not authorized", "req-2")
NOT_ENABLED = Answer(enabled=False)


def lines(*outcomes: Answer | Failure, trust: Trust = NO_TRUST) -> str:
    """Return what is logged of the last of these polls, without the time, and where as HERE."""
    stream = io.StringIO()
    log = Lines(stream, level="debug", form="logfmt", now=lambda: 1_700_000_000.0).log
    audit = Audit(log, lambda: trust)
    known = TargetRecord(HERE)
    for outcome in outcomes:
        stream.seek(0)
        stream.truncate()
        before, known = known, advance(known, PollResult(HERE, 1.0, 0.5, outcome))
        audit.note(before, known)
    return stream.getvalue().replace(f"{TS} ", "").replace(WHERE, "HERE")


SENT = "status=Invited invited_at=2023-11-14T10:13:20.000+00:00"
INVITER = "inviter=999988887777 invitation_id="
RECEIVED = f"event=invitation_received HERE {INVITER}"
CHANGED = f"event=invitation_status_changed HERE {INVITER}i1 {SENT} previous_status"
RECOVERED = "level=info event=poll_recovered HERE error_code=AccessDeniedException\n"
ON = "level=info event=macie_enabled HERE\n"
OFF = "level=warning event=macie_not_enabled HERE\n"
FAILED = (
    "event=poll_failed HERE error_code=ThrottlingException "
    'aws_request_id=req-1 error="Rate exceeded" hint="AWS limits the rate: it is polled '
    'again soon; if it stays, raise poll.interval or lower poll.concurrency"\n'
)
SOME, NONE = answered(invitation()), answered()

CASES: Mapping[str, tuple[list[Answer | Failure], str]] = {
    "at the first look it is not necessarily new": (
        [SOME],
        f"level=info {RECEIVED}i1 {SENT} first_poll=true\n",
    ),
    "an invitation comes": ([NONE, SOME], f"level=info {RECEIVED}i1 {SENT}\n"),
    "it changes its status": (
        [answered(invitation(status="Created")), SOME],
        f"level=info {CHANGED}=Created\n",
    ),
    "it goes, and is told of as it was last seen": (
        [answered(invitation(at=None)), NONE],
        f"level=info event=invitation_gone HERE {INVITER}i1 status=Invited invited_at=unknown\n",
    ),
    "nothing is new": ([SOME, SOME], ""),
    "another time of the same is nothing new": ([SOME, answered(invitation(at=51.0))], ""),
    "a failure is no news of invitations": ([SOME, DENIED, SOME], RECOVERED),
    "what is gone without Macie is not known": ([SOME, NOT_ENABLED], OFF),
    "what differs is told once Macie is back": (
        [SOME, NOT_ENABLED, NONE],
        f"level=info event=invitation_gone HERE {INVITER}i1 {SENT}\n{ON}",
    ),
    "without an id, inviter and time tell which": (
        [answered(invitation("", at=1.0)), answered(*(invitation("", at=n) for n in (1, 2)))],
        f"level=info {RECEIVED} status=Invited invited_at=1970-01-01T00:00:02.000+00:00\n",
    ),
    "listed twice it is told once, as the last": (
        [NONE, answered(invitation(status="Enabled"), invitation())],
        f"level=info {RECEIVED}i1 {SENT}\n",
    ),
    "no calendar has the time": (
        [NONE, answered(invitation(at=1e18))],
        f"level=info {RECEIVED}i1 status=Invited invited_at=1e+18\n",
    ),
    "a failure begins": ([NONE, THROTTLED], f"level=warning {FAILED}"),
    "it goes on, for those who look closely": ([THROTTLED, THROTTLED], f"level=debug {FAILED}"),
    "another error code is news": ([DENIED, THROTTLED], f"level=warning {FAILED}"),
    "a failure ends": ([DENIED, NONE], RECOVERED),
    "it is over": ([DENIED, NONE, NONE], ""),
    "without Macie from the first": (
        [NOT_ENABLED],
        "level=info event=macie_not_enabled HERE first_poll=true\n",
    ),
    "still without": ([NOT_ENABLED, NOT_ENABLED], ""),
    "Macie is switched on": ([NOT_ENABLED, NONE], ON),
    "failures between do not hide the switch": ([NONE, DENIED, NOT_ENABLED], RECOVERED + OFF),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_said(name: str) -> None:
    """Of the last of these polls; to switch Macie off leaves buckets unwatched: a warning."""
    polls, said = CASES[name]
    assert lines(*polls) == said


@pytest.mark.parametrize(
    ("trust", "level", "said"),
    [
        (Trust(True, frozenset({"999988887777"})), "info", " trusted=true"),  # noqa: FBT003
        (Trust(True, frozenset({"123412341234"})), "warning", " trusted=false"),  # noqa: FBT003
        (Trust(True, frozenset(), complete=False), "info", ""),  # noqa: FBT003
    ],
)
def test_whether_its_inviter_is_trusted(trust: Trust, level: str, said: str) -> None:
    """Where that is configured, and known; a stranger's is a warning."""
    assert lines(NONE, SOME, trust=trust) == f"level={level} {RECEIVED}i1 {SENT}{said}\n"
