"""The fleet that is measured: the same accounts, regions and invitations everywhere."""

import time
from datetime import UTC, datetime

from exporter.model import MACIE_REGIONS, Account, Answer, Invitation, Target

REGIONS = MACIE_REGIONS[:20]
ROLE = "macie-invitations-reader"

_DAY = 86_400
_KINDS = (("Invited", 2), ("Invited", 12), ("Enabled", 200))
"""Status and age in days. Ages keep half a day from every edge, so that no run crosses one."""

_STARTED = int(time.time()) - _DAY // 2


def account_ids(count: int) -> list[str]:
    """Return account ids, in order."""
    return [str(100_000_000_000 + number) for number in range(count)]


def accounts(targets: int) -> list[Account]:
    """Return accounts in twenty regions each, with so many targets in all."""
    whole, rest = divmod(targets, len(REGIONS))
    sizes = [len(REGIONS)] * whole + ([rest] if rest else [])
    return [
        Account(name, regions=REGIONS[:size])
        for name, size in zip(account_ids(len(sizes)), sizes, strict=True)
    ]


def targets(count: int) -> list[Target]:
    """Return the targets of such accounts."""
    return [target for account in accounts(count) for target in account.targets()]


def answer(count: int, shift: int = 0) -> Answer:
    """Return an answer with so many invitations of its own; shifted ones are as many days older."""
    return Answer(
        enabled=True,
        invitations=tuple(
            Invitation(
                _inviter(number),
                _identity(number),
                status,
                float(_STARTED - (days + shift) * _DAY),
            )
            for number, (status, days) in _kinds(count)
        ),
    )


def listed(count: int) -> list[dict[str, str]]:
    """Return the same invitations as the API lists them."""
    return [
        {
            "accountId": _inviter(number),
            "invitationId": _identity(number),
            "invitedAt": _iso(_STARTED - days * _DAY),
            "relationshipStatus": status,
        }
        for number, (status, days) in _kinds(count)
    ]


def _kinds(count: int) -> list[tuple[int, tuple[str, int]]]:
    return [(number, _KINDS[number % len(_KINDS)]) for number in range(count)]


def _inviter(number: int) -> str:
    return f"9{number:011d}"


def _identity(number: int) -> str:
    return f"{number:032x}"


def _iso(seconds: int) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.000Z"
