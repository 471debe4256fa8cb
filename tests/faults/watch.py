"""One target from the wire to the text of a scrape: all that is between them is the product's."""

import random

from prometheus_client.utils import floatToGoString

from exporter.clock import SystemClock
from exporter.model import Account, Answer, PollResult, Target
from exporter.poller import Poller, PollOptions
from exporter.schedule import Schedule
from tests.aws.rig import ACCOUNT, REGION, Rig
from tests.exposition.scene import Scene, options
from tests.faulty import invitation, page, response
from tests.processes import PATIENCE

TARGET = Target(ACCOUNT.id, REGION)
TRUSTED = "222233334444"
MINUTE = 60.0
STALE_AFTER = 900.0

LISTED = (
    invitation("i-1", accountId=TRUSTED, invitedAt="2023-11-14T00:00:00.000Z"),
    invitation("i-2", accountId="999988887777", invitedAt="2023-01-01T00:00:00.000Z"),
)
GOOD = response(page(LISTED))
"""What AWS says while all is well."""

SAYS = """\
macie_invitations{age_bucket="00d-01d",T,relationship_status="Invited"} 1.0
macie_invitations{age_bucket="01d-07d",T,relationship_status="Invited"} 0.0
macie_invitations{age_bucket="07d-30d",T,relationship_status="Invited"} 0.0
macie_invitations{age_bucket="30d-90d",T,relationship_status="Invited"} 0.0
macie_invitations{age_bucket="90d-inf",T,relationship_status="Invited"} 1.0
macie_invitation_oldest_timestamp_seconds{T,relationship_status="Invited"} 1.6725312e+09
macie_invitation_newest_timestamp_seconds{T,relationship_status="Invited"} 1.69992e+09
macie_untrusted_invitations{T,relationship_status="Invited"} 1.0
macie_untrusted_inviter_timestamp_seconds{T,inviter_account_id="999988887777",relationship_status="Invited"} 1.6725312e+09
macie_untrusted_inviter_series_dropped 0.0
macie_invitation_timestamp_seconds{T,invitation_id="i-1",inviter_account_id="222233334444",relationship_status="Invited"} 1.69992e+09
macie_invitation_timestamp_seconds{T,invitation_id="i-2",inviter_account_id="999988887777",relationship_status="Invited"} 1.6725312e+09
macie_invitation_series_dropped 0.0
macie_enabled{T} 1.0
"""  # noqa: E501 -- lines are as long as Prometheus' own
"""And what the metrics say of it."""

OK = """\
macie_poll_success{T} 1.0
macie_poll_timestamp_seconds{T} AT
macie_poll_last_success_timestamp_seconds{T} AT
STATES ok
"""
FAILED = """\
macie_poll_success{T} 0.0
macie_poll_timestamp_seconds{T} AT
macie_poll_last_success_timestamp_seconds{T} GOOD
macie_poll_error_info{T,error_code="CODE"} 1.0
STATES failing
"""
DROPPED = """\
macie_untrusted_inviter_series_dropped 0.0
macie_invitation_series_dropped 0.0
"""
STALE = DROPPED + FAILED.replace("failing", "stale")
PENDING = f"""\
{DROPPED}\
macie_poll_last_success_timestamp_seconds{{T}} 0.0
STATES pending
"""
NEVER = DROPPED + FAILED.replace(" GOOD", " 0.0")

_LABELS = f'aws_account_id="{TARGET.account_id}",aws_region="{TARGET.region}"'
_STATES = ("pending", "ok", "not_enabled", "failing", "stale")


def _options(timeout: float) -> PollOptions:
    return PollOptions(300.0, 1, timeout)


class _Clock(SystemClock):
    """The scene's time of day; deadlines are real."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    def now(self) -> float:
        """Return Unix seconds."""
        return self._scene.clock.now()


class Watch:
    """Polls one target, and shows what a scrape gets."""

    def __init__(self, rig: Rig, *, account: Account = ACCOUNT) -> None:
        """Poll an account through a rig."""
        self.rig, self.account = rig, account
        shows = options(zero_fill="invited", trusted=(TRUSTED,), most=10)
        self._scene = Scene(TARGET, shows=shows)
        self._poller = Poller(
            schedule=Schedule(300.0, 1, random.Random(1)),
            options=_options(PATIENCE),
            clock=_Clock(self._scene),
            read=self._read,
            record=lambda _: None,
            log=_Log(),
        )

    def poll(self, timeout: float = PATIENCE) -> PollResult:
        """Poll once within so many seconds, a minute after whatever was before."""
        self.pass_time(MINUTE)
        self._poller.set_options(_options(timeout))
        result = self.rig.run(self._poller.poll(TARGET), 2 * PATIENCE)
        self._scene.record(result)
        return result

    def pass_time(self, seconds: float) -> None:
        """Let time pass for ages and staleness."""
        self._scene.clock.advance(seconds)

    def text(self) -> str:
        """Return the samples as they are scraped now, but for how long the poll took."""
        lines = (line.replace(_LABELS, "T") for line in self._scene.text().split("\n") if line)
        shown = ("macie_invitation", "macie_untrusted", "macie_enabled", "macie_poll_")
        return "".join(
            f"{line}\n"
            for line in lines
            if line.startswith((*shown, "macie_exporter_targets"))
            and not line.startswith("macie_poll_duration_seconds")
        )

    def expected(
        self, template: str, *, code: str = "", good: float = 0.0, ago: float = 0.0
    ) -> str:
        """Fill what varies into an expectation.

        `good` is minutes since the last good poll, `ago` since the last one.
        """
        now = self._scene.clock.now()
        *lines, states = template.splitlines()
        state = states.split()[1]
        lines += [
            f'macie_exporter_targets{{state="{one}"}} {float(one == state)}' for one in _STATES
        ]
        text = "".join(f"{line}\n" for line in lines)
        text = text.replace("CODE", code)
        return text.replace(" AT", f" {number(now - ago * MINUTE)}").replace(
            " GOOD", f" {number(now - good * MINUTE)}"
        )

    async def _read(self, target: Target) -> Answer:
        return await self.rig.macie.read(self.account, target.region)


def number(value: float) -> str:
    """Write a value as the exposition does."""
    return str(floatToGoString(value))  # type: ignore[no-untyped-call]


class _Log:
    """A log for what must not happen."""

    def exception(self, *_: object, **__: object) -> None:
        """Fail the poll: an error of the exporter itself is no fault of AWS's."""
        raise AssertionError("a crash")

    debug = info = warning = error = exception
