"""What `doctor` tried, as a table or as JSON."""

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from operator import attrgetter

from exporter.commands import number
from exporter.error_codes import Retry, error_kind
from exporter.model import Target
from exporter.visible import visible

ROLE = "AssumeRole"
_ALL_WELL = "Everything works."


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was tried. `remedy` is empty where it worked."""

    account: str
    region: str
    step: str
    ok: bool = True
    name: str = ""
    """The account's, where it is known."""
    seconds: float = 0.0
    detail: str = ""
    error_code: str = ""
    remedy: str = ""


def as_json(steps: Iterable[Step]) -> str:
    """Return the steps as a JSON list."""
    return json.dumps([asdict(step) for step in steps], indent=2) + "\n"


def as_table(steps: Sequence[Step], targets: Collection[Target], *, whole: bool = False) -> str:
    """Return the steps as a table, what mends each failure below it, and the verdict on targets.

    What worked is a line for each kind of step, unless the whole table is wanted.
    """
    failed = sorted((step for step in steps if not step.ok), key=_passes)
    shown = map(_row, steps) if whole else [*map(_row, failed), *_worked(steps)]
    rows = [("", "account", "region", "step", "seconds", "result"), *shown]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    # What came of it is the last, and may be long.
    lines = ["  ".join([*map(str.ljust, row, widths), row[-1]]) for row in rows]
    remedies = dict.fromkeys(f"- {_place(step)}: {visible(step.remedy)}" for step in failed)
    said = ["What to do:", *remedies, "", _verdict(failed, targets)] if failed else [_ALL_WELL]
    return "\n".join(line.rstrip() for line in [*lines, "", *said]) + "\n"


def _row(step: Step) -> tuple[str, ...]:
    said = f"{step.error_code}: {step.detail}" if step.error_code else step.detail
    verdict, seconds = "ok" if step.ok else "FAIL", f"{step.seconds:.3f}"
    return (verdict, _named(step, "-"), step.region or "-", step.step, seconds, visible(said))


def _worked(steps: Sequence[Step]) -> Iterator[tuple[str, ...]]:
    """Yield a row for each kind of step that worked: where, and what the slowest took."""
    for kind in dict.fromkeys(step.step for step in steps):
        alike = [step for step in steps if step.ok and step.step == kind]
        if len(alike) == 1:
            yield _row(alike[0])
        elif alike:
            accounts, regions = (len({*map(attrgetter(of), alike)}) for of in ("account", "region"))
            where = number(regions, "region") if alike[0].region else "-"
            slowest = f"{max(step.seconds for step in alike):.3f}"
            whose, worked = number(accounts, "account"), f"worked {len(alike)} times"
            yield ("ok", whose, where, kind, slowest, worked)


def _verdict(failed: Sequence[Step], targets: Collection[Target]) -> str:
    """Say how many targets fail, in how many accounts, and what to mend first."""
    passing = "This may pass by itself: try again, then mend what stays."
    first = passing if _passes(failed[0]) else f"Mend first: {_place(failed[0])}."
    if not targets:
        return f"No target was tried. {first}"
    # Without its role an account's targets all fail, and without its regions or tags none does.
    places = {(step.account, step.region) for step in failed if step.region or step.step == ROLE}
    lost = [each for each in targets if {each, (each.account_id, "")} & places]
    if not lost:
        return f"No target fails. {first}"
    accounts = len({each.account_id for each in lost})
    where = f"{number(len(targets), 'target')} in {number(accounts, 'account')}"
    return f"{len(lost):,} of {where} fail. {first}"


def _passes(step: Step) -> bool:
    """Return whether a failure may pass by itself, such as one for too many calls."""
    return error_kind(step.error_code).retry is Retry.SOON


def _named(step: Step, otherwise: str) -> str:
    return f"{step.account} {visible(step.name)}".strip() or otherwise


def _place(step: Step) -> str:
    return " ".join(part for part in (_named(step, "exporter"), step.region, step.step) if part)
