"""What of a poll is worth a line, and at which level."""

import io

import pytest

from exporter.audit import Audit
from exporter.log import Lines
from exporter.model import NO_TRUST, Answer, Failure, Invitation, PollResult, Target, Trust
from exporter.state import TargetRecord
from exporter.state.records import advance

HERE = Target("111122223333", "eu-west-1")
WHERE = "account=111122223333 region=eu-west-1"
TS = "ts=2023-11-14T22:13:20.000Z"

THROTTLED = Failure("ThrottlingException", "Rate exceeded", "req-1")
DENIED = Failure("AccessDeniedException", "User: x is not authorized", "req-2")
NOT_ENABLED = Answer(enabled=False)


def listing(*invitations: Invitation) -> Answer:
    """Make an answer."""
    return Answer(enabled=True, invitations=invitations)


def invitation(
    name: str = "i1", status: str = "Invited", at: float | None = 1_690_000_000.25
) -> Invitation:
    """Make an invitation."""
    return Invitation("999988887777", name, status, at)


def lines(*outcomes: Answer | Failure, trust: Trust = NO_TRUST) -> str:
    """Return what is logged of the last of these polls, without the time."""
    stream = io.StringIO()
    log = Lines(stream, level="debug", form="logfmt", now=lambda: 1_700_000_000.0).log
    audit = Audit(log, lambda: trust)
    known = TargetRecord(HERE)
    for outcome in outcomes:
        stream.seek(0)
        stream.truncate()
        before, known = known, advance(known, PollResult(HERE, 1.0, 0.5, outcome))
        audit.note(before, known)
    return stream.getvalue().replace(f"{TS} ", "")


def test_first_poll() -> None:
    """What is there at the first look is marked: it is not necessarily new."""
    assert lines(listing(invitation())) == (
        f"level=info event=invitation_received {WHERE} inviter=999988887777 invitation_id=i1 "
        "status=Invited invited_at=2023-07-22T04:26:40.250+00:00 first_poll=true\n"
    )


def test_an_invitation_comes() -> None:
    """A new invitation is logged with its inviter, id and time."""
    assert lines(listing(), listing(invitation())) == (
        f"level=info event=invitation_received {WHERE} inviter=999988887777 invitation_id=i1 "
        "status=Invited invited_at=2023-07-22T04:26:40.250+00:00\n"
    )


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
    assert lines(listing(), listing(invitation()), trust=trust) == (
        f"level={level} event=invitation_received {WHERE} inviter=999988887777 invitation_id=i1 "
        f"status=Invited invited_at=2023-07-22T04:26:40.250+00:00{said}\n"
    )


def test_an_invitation_changes_its_status() -> None:
    """A status is logged with the one before."""
    assert lines(listing(invitation()), listing(invitation(status="Enabled"))) == (
        f"level=info event=invitation_status_changed {WHERE} inviter=999988887777 "
        "invitation_id=i1 status=Enabled invited_at=2023-07-22T04:26:40.250+00:00 "
        "previous_status=Invited\n"
    )


def test_an_invitation_goes() -> None:
    """One that is no longer listed is logged as it was last seen."""
    assert lines(listing(invitation(at=None)), listing()) == (
        f"level=info event=invitation_gone {WHERE} inviter=999988887777 invitation_id=i1 "
        "status=Invited invited_at=unknown\n"
    )


@pytest.mark.parametrize("at", [1e18, -1e18])
def test_a_time_beyond_the_calendar(at: float) -> None:
    """A time that no calendar has is written as its number."""
    assert f"invited_at={at}" in lines(listing(invitation(at=at)))


def test_nothing_new_is_not_logged() -> None:
    """The same answer again leaves no line, nor another time of the same invitation."""
    assert lines(listing(invitation()), listing(invitation())) == ""
    assert lines(listing(invitation()), listing(invitation(at=51.0))) == ""
    assert lines(NOT_ENABLED, NOT_ENABLED) == ""


def test_failures_are_no_news_of_invitations() -> None:
    """Neither a failure nor the same list after it tells of any change."""
    assert "event=invitation" not in lines(listing(invitation()), DENIED)
    assert "event=invitation" not in lines(listing(invitation()), DENIED, listing(invitation()))


def test_without_macie_nothing_is_known_of_invitations() -> None:
    """While Macie is not enabled nothing is gone; what differs is told once it is back."""
    assert "event=invitation" not in lines(listing(invitation()), NOT_ENABLED)
    assert "event=invitation_gone" in lines(listing(invitation()), NOT_ENABLED, listing())


def test_without_an_id_inviter_and_time_tell_invitations_apart() -> None:
    """An invitation without an id is known again by its inviter and its time."""
    one, other = invitation(name="", at=1.0), invitation(name="", at=2.0)
    [line] = lines(listing(one), listing(one, other)).splitlines()
    assert "event=invitation_received" in line
    assert "invited_at=1970-01-01T00:00:02" in line


def test_listed_twice_is_told_once() -> None:
    """The same id twice in a list is one invitation; the last one's status counts."""
    [line] = lines(listing(), listing(invitation(), invitation(status="Enabled"))).splitlines()
    assert "event=invitation_received" in line
    assert "status=Enabled" in line


def test_a_failure_begins() -> None:
    """The first failure is a warning with what AWS said and what to do."""
    assert lines(listing(), THROTTLED) == (
        f"level=warning event=poll_failed {WHERE} error_code=ThrottlingException "
        'aws_request_id=req-1 error="Rate exceeded" hint="AWS limits the rate: it is polled '
        'again soon; if it stays, raise poll.interval or lower poll.concurrency"\n'
    )


def test_a_failure_goes_on() -> None:
    """The same failure again is for those who look closely."""
    assert lines(THROTTLED, THROTTLED).startswith(f"level=debug event=poll_failed {WHERE}")


def test_a_failure_becomes_another() -> None:
    """Another error code is news."""
    line = lines(THROTTLED, DENIED)
    assert line.startswith(
        f"level=warning event=poll_failed {WHERE} error_code=AccessDeniedException"
    )
    assert line.count("\n") == 1


def test_a_failure_ends() -> None:
    """A recovery is logged with what it recovered from, once."""
    assert lines(DENIED, listing()) == (
        f"level=info event=poll_recovered {WHERE} error_code=AccessDeniedException\n"
    )
    assert lines(DENIED, listing(), listing()) == ""


def test_an_unknown_code_has_a_hint() -> None:
    """A code outside the known list gets the advice for all the others."""
    assert "hint=" in lines(Failure("Whatever", "?"))


def test_macie_was_never_enabled() -> None:
    """A target without Macie is information: many have regions where nobody uses it."""
    assert lines(NOT_ENABLED) == f"level=info event=macie_not_enabled {WHERE} first_poll=true\n"


def test_macie_is_switched_off() -> None:
    """Somebody should look: that account's buckets are watched no more."""
    assert lines(listing(invitation()), NOT_ENABLED) == (
        f"level=warning event=macie_not_enabled {WHERE}\n"
    )


def test_macie_is_switched_on() -> None:
    """It is logged that Macie is back."""
    assert lines(NOT_ENABLED, listing()) == f"level=info event=macie_enabled {WHERE}\n"


def test_failures_between_do_not_hide_the_switch() -> None:
    """What AWS said before a failure is what the next answer is compared with."""
    assert lines(listing(), DENIED, NOT_ENABLED) == (
        f"level=info event=poll_recovered {WHERE} error_code=AccessDeniedException\n"
        f"level=warning event=macie_not_enabled {WHERE}\n"
    )
