"""What a query selects. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from exporter.status import TargetRow
from exporter.visible import visible
from exporter.web.query import COLUMNS, Query


@dataclass(frozen=True, slots=True)
class Page:
    """A page of what a query selects, and how much that is in all."""

    rows: tuple[TargetRow, ...]
    number: int
    pages: int
    total: int
    continued: bool = False
    """Whether the first row's account began on the page before."""


def select(rows: Iterable[TargetRow], query: Query) -> Page:
    """Filter, sort, group and cut a page. A page beyond the last is empty."""
    chosen = arranged(filtered(rows, query), query)
    start = (query.page - 1) * query.per_page
    shown = tuple(chosen[start : start + query.per_page])
    before = chosen[start - 1].target.account_id if shown and start else ""
    continued = bool(shown) and before == shown[0].target.account_id
    pages = pages_of(len(chosen), query.per_page)
    return Page(shown, query.page, pages, len(chosen), continued)


def pages_of(total: int, per_page: int) -> int:
    """Return how many pages so many rows take; at least one, if an empty one."""
    return max(-(-total // per_page), 1)


def filtered(rows: Iterable[TargetRow], query: Query) -> list[TargetRow]:
    """Return the rows that a query asks for."""
    words = [visible(word) for word in query.text.casefold().split()]
    related = query.status or query.untrusted or query.inviter
    return [
        row
        for row in rows
        if (not query.states or row.state in query.states)
        and (not query.account or row.target.account_id == query.account)
        and (not query.labels or query.labels <= _labels(row))
        and (not related or _is_related(row, query))
        and (not words or _has(row, words))
    ]


def _labels(row: TargetRow) -> set[str]:
    return {f"{key}={value}" for key, value in row.account.labels.items()}


def _is_related(row: TargetRow, query: Query) -> bool:
    """Return whether one invitation, or the administrator in fact, is all that is asked for."""
    return any(
        (not query.untrusted or each.trusted is False)
        and (not query.inviter or each.account_id == query.inviter)
        and (not query.status or each.status.casefold() == query.status.casefold())
        for each in map(row.status.relation, row.related())
    )


def _has(row: TargetRow, words: Sequence[str]) -> bool:
    failure, account = row.failure, row.account
    error = f"{failure.code} {failure.message} {failure.request_id}" if failure else ""
    labels = " ".join(account.labels.values())
    # As pages show it, so that what is seen there can be looked for.
    text = visible(f"{account.id} {account.name} {labels} {row.target.region} {error}".casefold())
    missing = [word for word in words if word not in text]
    if not missing or row.answer is None or not (row.listed or row.administrator):
        return not missing
    inviters = {(each.account_id, each.name) for each in map(row.status.relation, row.related())}
    text = visible(" ".join(f"{account_id} {name}" for account_id, name in inviters).casefold())
    return all(word in text for word in missing)


def arranged(rows: Sequence[TargetRow], query: Query) -> list[TargetRow]:
    """Sort rows by the query's column, those without a value last, equal ones by target.

    Grouped, an account stands where the first of its rows does, and the others follow it.
    """
    key = COLUMNS[query.sort]
    keyed = [(key(row), row) for row in sorted(rows, key=_by_target)]
    present = [pair for pair in keyed if pair[0] is not None]
    present.sort(key=lambda pair: pair[0], reverse=query.order == "desc")
    ordered = [row for _, row in present] + [row for value, row in keyed if value is None]
    return ordered if query.group == "none" else _grouped(ordered)


def _by_target(row: TargetRow) -> tuple[str, str]:
    return (row.target.account_id, row.target.region)


def _grouped(rows: Iterable[TargetRow]) -> list[TargetRow]:
    groups: dict[str, list[TargetRow]] = {}
    for row in rows:
        groups.setdefault(row.target.account_id, []).append(row)
    return [row for group in groups.values() for row in group]
