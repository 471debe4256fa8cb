"""One target from the wire to the text of a scrape: all that is between them is the product's."""

import random
from math import inf
from pathlib import Path

from prometheus_client.utils import floatToGoString

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

SAYS = (Path(__file__).parent / "says.txt").read_text()
"""And what the metrics say of it."""

NOTHING = """\
macie_untrusted_inviter_series_dropped 0.0
macie_invitation_series_dropped 0.0
"""
"""What they say where nothing is known: how many series of all targets were left out."""

_SHOWN = (
    *("macie_invitation", "macie_untrusted", "macie_enabled", "macie_exporter_targets"),
    *("macie_poll_success", "macie_poll_timestamp", "macie_poll_last", "macie_poll_error"),
)
_LABELS = f'aws_account_id="{TARGET.account_id}",aws_region="{TARGET.region}"'
_STATES = ("pending", "ok", "not_enabled", "failing", "stale")


class Watch:
    """Polls one target, and shows what a scrape gets."""

    def __init__(self, rig: Rig, *, account: Account = ACCOUNT) -> None:
        """Poll an account through a rig."""
        self.rig, self.account = rig, account
        shows = options(zero_fill="invited", trusted=(TRUSTED,), most=10)
        self._scene = Scene(TARGET, shows=shows)
        self._poller = Poller(
            schedule=Schedule(300.0, 1, random.Random(1)),
            options=PollOptions(300.0, 1, PATIENCE),
            clock=self._scene.clock,
            read=self._read,
            record=lambda _: None,
            log=_Log(),
        )

    def poll(self, timeout: float = PATIENCE) -> PollResult:
        """Poll once within so many seconds, a minute after whatever was before."""
        self.pass_time(MINUTE)
        self._poller.set_options(PollOptions(300.0, 1, timeout))
        result = self.rig.run(self._poller.poll(TARGET), 2 * PATIENCE)
        self._scene.record(result)
        return result

    def pass_time(self, seconds: float) -> None:
        """Let time pass for ages and staleness."""
        self._scene.clock.advance(seconds)

    def shows(
        self, says: str, state: str, *, code: str = "", polled: float = 0, good: float = 0
    ) -> None:
        """Require that a scrape gets this of invitations, and this of polls, and no more.

        `polled` is minutes since the last poll, `good` since the last good one; infinite where
        there was none.
        """
        lines = [line.replace(_LABELS, "T") for line in self._scene.text().splitlines()]
        last_poll = [
            f"macie_poll_success{{T}} {float(not code)}",
            f"macie_poll_timestamp_seconds{{T}} {self._ago(polled)}",
        ]
        assert [line for line in lines if line.startswith(_SHOWN)] == [
            *says.splitlines(),
            *(last_poll if polled < inf else []),
            f"macie_poll_last_success_timestamp_seconds{{T}} {self._ago(good)}",
            *([f'macie_poll_error_info{{T,error_code="{code}"}} 1.0'] if code else []),
            *(f'macie_exporter_targets{{state="{one}"}} {float(one == state)}' for one in _STATES),
        ]

    def _ago(self, minutes: float) -> str:
        """Write when that was, as the exposition does; 0 for never."""
        moment = self._scene.clock.now() - minutes * MINUTE if minutes < inf else 0.0
        return str(floatToGoString(moment))  # type: ignore[no-untyped-call]

    async def _read(self, target: Target) -> Answer:
        return await self.rig.macie.read(self.account, target.region)


class _Log:
    """A log for what must not happen."""

    def exception(self, *_: object, **__: object) -> None:
        """Fail the poll: an error of the exporter itself is no fault of AWS's."""
        raise AssertionError("a crash")

    debug = info = warning = error = exception
