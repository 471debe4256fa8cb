"""Who may invite: the one place that tells a trusted inviter from an unknown one."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Trust:
    """Account ids that may invite; where nothing says who may, nobody can be told as unknown."""

    configured: bool = False
    accounts: frozenset[str] = frozenset()
    complete: bool = True
    """Whether these are all: until AWS Organizations has said who belongs to it, they are not."""

    @property
    def tells(self) -> bool:
        """Whether an inviter can be told as unknown."""
        return self.configured and self.complete

    def trusts(self, inviter_account_id: str) -> bool | None:
        """Return whether an inviter is trusted; None where that cannot be told."""
        if inviter_account_id in self.accounts:
            return True
        return False if self.tells else None


NO_TRUST = Trust()
"""Nothing says who may invite."""
