"""Which targets to show, and in what order: a query read from a URL, and what it selects. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from urllib.parse import urlencode

from exporter.nearest import nearest
from exporter.state import TargetState
from exporter.status import TargetRow
from exporter.visible import visible

PER_PAGE = 50
MOST_PER_PAGE = 1000
_MOST_DIGITS = 9
_LONGEST_TEXT = 256
_LONGEST_NAME = 64
_MOST_PARAMETERS = 32

_SEVERITY = {state: rank for rank, state in enumerate(reversed(TargetState))}
"""Stale first, pending last: the later in the enumeration, the more it asks for somebody."""

Key = Callable[[TargetRow], Any]
"""Gives what a column is sorted by: values that compare, or None for those that go last."""

COLUMNS: Mapping[str, Key] = {
    "account": lambda row: (row.account_name.casefold(), row.account_id),
    "region": lambda row: row.region,
    "state": lambda row: _SEVERITY[row.state],
    "pending": lambda row: row.pending,
    "oldest": lambda row: row.oldest_pending,
    "success": lambda row: row.last_success,
    "next": lambda row: row.next_poll,
    "error": lambda row: row.failure.code if row.failure else None,
}
"""What can be sorted by."""

_ORDERS = ("asc", "desc")
_GROUPS = ("account", "none")


class QueryError(Exception):
    """A query that cannot be understood; `lines` say what is wrong and what would be right."""

    def __init__(self, lines: Sequence[str]) -> None:
        """Take a line for each mistake."""
        super().__init__("\n".join(lines))
        self.lines = tuple(lines)


@dataclass(frozen=True, slots=True)
class Query:
    """Which targets to show."""

    text: str = ""
    """Words that must all occur in the account, its name, the region or the error."""
    states: frozenset[TargetState] = frozenset()
    """Empty: all."""
    sort: str = "account"
    order: str = "asc"
    group: str = "account"
    """`account` keeps the targets of an account together, `none` does not."""
    page: int = 1
    per_page: int = PER_PAGE

    def url(self, *, page: int = 1, sort: str = "", order: str = "") -> str:
        """Give a page of the query, or of one that is sorted otherwise, as a relative link."""
        other = replace(self, page=page, sort=sort or self.sort, order=order or self.order)
        return f"?{urlencode(list(other.parameters()))}"

    def sorted_by(self, column: str) -> str:
        """Give the link that sorts by a column, the other way round if it is sorted by already."""
        down = column == self.sort and self.order == "asc"
        return self.url(sort=column, order="desc" if down else "asc")

    def parameters(self) -> Iterable[tuple[str, str]]:
        """Give what differs from the defaults, as parameters of a URL."""
        yield from [("q", self.text)] if self.text else []
        yield from (("state", state.value) for state in TargetState if state in self.states)
        for name in ("sort", "order", "group", "page", "per_page"):
            value = getattr(self, name)
            if value != getattr(_DEFAULT, name):
                yield name, str(value)


_DEFAULT = Query()


def parse(parameters: Iterable[tuple[str, str]]) -> Query:
    """Read a query. Raises QueryError with everything that is wrong."""
    fields: dict[str, Any] = {}
    states: set[TargetState] = set()
    lines = []
    for name, value in bounded(parameters):
        try:
            if name == "state":
                states.add(TargetState(_choice(tuple(state.value for state in TargetState), value)))
            elif name in _READERS:
                field, read = _READERS[name]
                fields[field] = read(value)
            else:
                lines.append(f"{name}: unknown; the nearest is {nearest(name, PARAMETERS)}")
        except ValueError as error:
            lines.append(f"{name} = {value}: {error}")
    if lines:
        raise QueryError(lines)
    return Query(**fields, states=frozenset(states))


def bounded(parameters: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Give parameters that are as few and as short as any query needs. Raises QueryError.

    To say what is wrong with each takes time and space.
    """
    given = list(parameters)
    if len(given) > _MOST_PARAMETERS:
        raise QueryError([f"at most {_MOST_PARAMETERS} parameters are read, not {len(given)}"])
    for name, value in given:
        if len(name) > _LONGEST_NAME:
            told = f"{name[:_LONGEST_NAME]}: a name must have at most {_LONGEST_NAME} characters"
            raise QueryError([told])
        if len(value) > _LONGEST_TEXT:
            told = f"{name} = {value[:_LONGEST_TEXT]}: must have at most {_LONGEST_TEXT} characters"
            raise QueryError([told])
    return given


def _choice(choices: Sequence[str], value: str) -> str:
    if value not in choices:
        raise ValueError(f"must be one of {', '.join(choices)}")
    return value


def _whole(high: int, value: str) -> int:
    digits = value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS
    if not digits or not 1 <= int(value) <= high:
        raise ValueError(f"must be a whole number from 1 to {high}")
    return int(value)


_READERS: Mapping[str, tuple[str, Callable[[str], object]]] = {
    "q": ("text", str.strip),
    "sort": ("sort", partial(_choice, tuple(COLUMNS))),
    "order": ("order", partial(_choice, _ORDERS)),
    "group": ("group", partial(_choice, _GROUPS)),
    "page": ("page", partial(_whole, 10**_MOST_DIGITS - 1)),
    "per_page": ("per_page", partial(_whole, MOST_PER_PAGE)),
}
PARAMETERS = ("state", *_READERS)
"""What a query may hold; `state` several times."""


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
    before = chosen[start - 1].account_id if shown and start else ""
    continued = bool(shown) and before == shown[0].account_id
    pages = pages_of(len(chosen), query.per_page)
    return Page(shown, query.page, pages, len(chosen), continued)


def pages_of(total: int, per_page: int) -> int:
    """Count the pages that so many rows take; at least one, if an empty one."""
    return max(-(-total // per_page), 1)


def filtered(rows: Iterable[TargetRow], query: Query) -> list[TargetRow]:
    """Give the rows that have one of the states and all of the words."""
    words = [visible(word) for word in query.text.casefold().split()]
    return [
        row
        for row in rows
        if (not query.states or row.state in query.states) and (not words or _has(row, words))
    ]


def _has(row: TargetRow, words: Sequence[str]) -> bool:
    failure = row.failure
    error = f"{failure.code} {failure.message} {failure.request_id}" if failure else ""
    # As pages show it, so that what is seen there can be looked for.
    text = visible(f"{row.account_id} {row.account_name} {row.region} {error}".casefold())
    return all(word in text for word in words)


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
    return (row.account_id, row.region)


def _grouped(rows: Iterable[TargetRow]) -> list[TargetRow]:
    groups: dict[str, list[TargetRow]] = {}
    for row in rows:
        groups.setdefault(row.account_id, []).append(row)
    return [row for group in groups.values() for row in group]
