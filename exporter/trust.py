"""Who may invite: the one place that tells a trusted inviter from an unknown one."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Trust:
    """Account ids that may invite; where nothing says who may, nobody can be told as unknown."""

    configured: bool = False
    accounts: frozenset[str] = frozenset()

    def trusts(self, inviter_account_id: str) -> bool | None:
        """Return whether an inviter is trusted; None where trust is not configured."""
        return inviter_account_id in self.accounts if self.configured else None


NO_TRUST = Trust()
"""Nothing says who may invite."""
