"""Looks at every target step by step: what works, what does not, and what would mend it."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

from exporter.aws.cloud import Cloud
from exporter.clock import Clock
from exporter.errors import kind_of
from exporter.model import Account, AwsError, Failure
from exporter.remedies import allow, assume_role
from exporter.visible import visible

_STEP_SECONDS = 60.0
DENIED = frozenset({"AccessDenied", "AccessDeniedException"})


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was tried. `remedy` is empty where it worked."""

    account: str
    region: str
    step: str
    ok: bool
    seconds: float
    detail: str = ""
    error_code: str = ""
    remedy: str = ""


Progress = Callable[[], object]
"""Is called when an account has been looked at."""


class Doctor:
    """Tries what the exporter does, and says of each failure what is missing."""

    def __init__(
        self, cloud: Cloud, clock: Clock, *, asks_regions: Callable[[Account], bool]
    ) -> None:
        """`asks_regions` tells whether an account's regions are asked of AWS."""
        self._cloud, self._clock, self._asks_regions = cloud, clock, asks_regions

    def own_credentials(self) -> Step:
        """Find out who the exporter is to AWS."""
        return self._try("", "", "own credentials", self._who_am_i, _own_remedy)

    def account(self, account: Account, regions: Sequence[str]) -> list[Step]:
        """Look at one account: its role, its regions, and its invitations in each region."""
        steps = []
        if account.role is not None:
            steps.append(self._assume(account))
            if not steps[0].ok:
                return steps
        if self._asks_regions(account):
            steps.append(self._list_regions(account))
        return [*steps, *(self._list_invitations(account, region) for region in regions)]

    def _who_am_i(self, deadline: float) -> str:
        return self._cloud.credentials.identity(deadline).arn

    def _assume(self, account: Account) -> Step:
        role = account.role
        assert role is not None  # noqa: S101 -- asked for by the caller alone

        def assume(deadline: float) -> str:
            self._cloud.credentials.of(account).current(deadline)
            return role.arn

        return self._try(account.id, "", "AssumeRole", assume, _if_denied(assume_role(role)))

    def _list_regions(self, account: Account) -> Step:
        def regions(deadline: float) -> str:
            return ", ".join(self._cloud.directory.regions(account, deadline))

        remedy = allow("account:ListRegions", account)
        return self._try(account.id, "", "ListRegions", regions, _if_denied(remedy))

    def _list_invitations(self, account: Account, region: str) -> Step:
        def read(deadline: float) -> str:
            answer = self._cloud.macie.read(account, region, deadline)
            if not answer.enabled:
                return "Macie is not enabled"
            return f"{len(answer.invitations)} invitations"

        remedy = allow("macie2:ListInvitations", account)
        return self._try(account.id, region, "ListInvitations", read, _if_denied(remedy))

    def _try(
        self,
        account: str,
        region: str,
        step: str,
        action: Callable[[float], str],
        remedy: Callable[[Failure], str],
    ) -> Step:
        started = self._clock.monotonic()
        try:
            detail, failure = action(started + _STEP_SECONDS), None
        except AwsError as error:
            detail, failure = error.failure.message, error.failure
        seconds = round(self._clock.monotonic() - started, 3)
        if failure is None:
            return Step(account, region, step, ok=True, seconds=seconds, detail=detail)
        return Step(
            account,
            region,
            step,
            ok=False,
            seconds=seconds,
            detail=detail,
            error_code=failure.code,
            remedy=remedy(failure),
        )


def examine(
    doctor: Doctor,
    accounts: Sequence[tuple[Account, Sequence[str]]],
    progress: Progress,
    in_parallel: Callable[..., Iterable[list[Step]]],
) -> Iterator[Step]:
    """Look at accounts, several at once; steps in the order of the accounts."""

    def look(one: tuple[Account, Sequence[str]]) -> list[Step]:
        steps = doctor.account(*one)
        progress()
        return steps

    for steps in in_parallel(look, accounts):
        yield from steps


def as_json(steps: Iterable[Step]) -> str:
    """Give the steps as a JSON list."""
    return json.dumps([asdict(step) for step in steps], indent=2) + "\n"


def as_table(steps: Sequence[Step]) -> str:
    """Give the steps as a table, and what mends each failure below it."""
    rows = [
        ("", "account", "region", "step", "seconds", "result"),
        *(
            (
                "ok" if step.ok else "FAIL",
                step.account or "-",
                step.region or "-",
                step.step,
                f"{step.seconds:.3f}",
                visible(step.detail if step.ok else f"{step.error_code}: {step.detail}"),
            )
            for step in steps
        ),
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]])
        for row in rows
    ]
    remedies = list(
        dict.fromkeys(f"- {_place(step)}: {visible(step.remedy)}" for step in steps if not step.ok)
    )
    mend = ["", "What to do:", *remedies] if remedies else ["", "Everything works."]
    return "\n".join(line.rstrip() for line in [*lines, *mend]) + "\n"


_OWN_REMEDY = (
    "give the exporter AWS credentials (environment, profile, IRSA, Pod Identity, instance role), "
    "and a way to STS"
)


def _own_remedy(failure: Failure) -> str:
    return _OWN_REMEDY if failure.code == "CredentialsError" else kind_of(failure.code).hint


def _place(step: Step) -> str:
    return " ".join(part for part in (step.account or "exporter", step.region, step.step) if part)


def _if_denied(remedy: str) -> Callable[[Failure], str]:
    """Give the statement that is missing where AWS denied it, else what the error's row says."""
    return lambda failure: remedy if failure.code in DENIED else kind_of(failure.code).hint
