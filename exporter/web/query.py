"""Which targets are asked for, in what order, and what that selects. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from exporter.nearest import suggestion
from exporter.settings.errors import message
from exporter.state import TargetState
from exporter.visible import visible
from exporter.web.status import TargetRow

MOST_PER_PAGE = 1000
_MOST_PAGES = 999_999_999
_LONGEST_VALUE = 512
"""A label has more than others: AWS lets a tag's key have 128 characters, its value 256."""
_LONGEST_NAME = 64
_MOST_PARAMETERS = 32

_SEVERITY = {state: rank for rank, state in enumerate(reversed(TargetState))}
"""Stale first, pending last: the later in the enumeration, the more it asks for somebody."""

Column = Literal["account", "region", "state", "pending", "oldest", "success", "next", "error"]

COLUMNS: Mapping[Column, Callable[[TargetRow], Any]] = {
    "account": lambda row: (row.account.name.casefold(), row.target.account_id),
    "region": lambda row: row.target.region,
    "state": lambda row: _SEVERITY[row.state],
    "pending": lambda row: row.pending,
    "oldest": lambda row: row.oldest_pending,
    "success": lambda row: row.last_success,
    "next": lambda row: row.next_poll,
    "error": lambda row: row.failure.code if row.failure else None,
}
"""What can be sorted by: values that compare, or None for those that go last."""


class QueryError(Exception):
    """A query that cannot be understood; `lines` say what is wrong and what would be right."""

    def __init__(self, lines: Sequence[str]) -> None:
        """Hold a line for each mistake."""
        super().__init__("\n".join(lines))
        self.lines = tuple(lines)


def is_account(text: str) -> bool:
    """Return whether a text is an account id."""
    return len(text) == 12 and text.isascii() and text.isdigit()  # noqa: PLR2004 -- see below


def _account(value: str) -> str:
    if value and not is_account(value):
        raise ValueError("must be an account id of 12 digits")
    return value


def _label(value: str) -> str:
    if "=" not in value[1:]:
        raise ValueError("must be KEY=VALUE")
    return value


class Query(BaseModel):
    """Which targets to show. Each field is a parameter of the URL."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    q: str = ""
    """Words that must all occur in the account, its labels, the region, the error or an inviter."""
    account: Annotated[str, AfterValidator(_account)] = ""
    """The id of an account; empty: all."""
    status: str = ""
    """The relationship status that an invitation must have, in whatever case."""
    untrusted: bool = False
    """Whether its inviter must be one that is not trusted."""
    inviter: Annotated[str, AfterValidator(_account)] = ""
    """The id of the account that must have sent it."""
    sort: Column = "account"
    order: Literal["asc", "desc"] = "asc"
    group: Literal["account", "none"] = "account"
    """`account` keeps the targets of an account together, `none` does not."""
    page: Annotated[int, Field(ge=1, le=_MOST_PAGES)] = 1
    per_page: Annotated[int, Field(ge=1, le=MOST_PER_PAGE)] = 50
    state: frozenset[TargetState] = frozenset()
    """Empty: all. It may be given more than once, and so may a label."""
    label: frozenset[Annotated[str, AfterValidator(_label)]] = frozenset()
    """Labels that the account must have, each as KEY=VALUE: keys too may hold a `=`."""

    def url(self, **changes: Any) -> str:  # noqa: ANN401 -- whatever the fields are
        """Return a relative link to the first page of the query, changed so."""
        other = self.model_copy(update={"page": 1, **changes})
        return f"?{urlencode(list(other.parameters()))}"

    def sorted_by(self, column: str) -> str:
        """Return the link that sorts by a column, the other way round if it is so already."""
        down = column == self.sort and self.order == "asc"
        return self.url(sort=column, order="desc" if down else "asc")

    def parameters(self) -> Iterator[tuple[str, str]]:
        """Yield what differs from the defaults, as parameters of a URL."""
        for name, value in self.model_dump(mode="json", exclude_defaults=True).items():
            for each in sorted(value) if isinstance(value, list) else [value]:
                yield name, "true" if each is True else str(each)


PARAMETERS = tuple(Query.model_fields)
"""What a query may hold."""

_REPEATABLE = frozenset({"state", "label"})


def parse(parameters: Iterable[tuple[str, str]]) -> Query:
    """Read a query. Raises QueryError with everything that is wrong."""
    given: dict[str, Any] = {}
    lines = []
    for name, value in _bounded(parameters):
        if name in _REPEATABLE:
            given.setdefault(name, []).append(value)
        elif name in given:
            lines.append(f"{name} = {value}: is given a second time")
        else:
            given[name] = value
    try:
        query = Query.model_validate(given)
    except ValidationError as error:
        raise QueryError([*lines, *map(_line, error.errors(include_url=False))]) from None
    if lines:
        raise QueryError(lines)
    return query


def _line(detail: ErrorDetails) -> str:
    name = str(detail["loc"][0])
    if detail["type"] == "extra_forbidden":
        return f"{name}: unknown; {suggestion(name, PARAMETERS)}"
    return f"{name} = {detail['input']}: {message(detail)}"


def _bounded(parameters: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return parameters that are as few and as short as any query needs. Raises QueryError.

    To say what is wrong with each takes time and space.
    """
    given = list(parameters)
    if len(given) > _MOST_PARAMETERS:
        raise QueryError([f"at most {_MOST_PARAMETERS} parameters are read, not {len(given)}"])
    for name, value in given:
        if len(name) > _LONGEST_NAME:
            told = f"{name[:_LONGEST_NAME]}: a name must have at most {_LONGEST_NAME} characters"
            raise QueryError([told])
        if len(value) > _LONGEST_VALUE:
            shown = value[:_LONGEST_VALUE]
            raise QueryError([f"{name} = {shown}: must have at most {_LONGEST_VALUE} characters"])
    return given


@dataclass(frozen=True, slots=True)
class Page:
    """A page of what a query selects, and how much that is in all."""

    rows: tuple[TargetRow, ...]
    number: int
    pages: int
    total: int


def select(rows: Iterable[TargetRow], query: Query) -> Page:
    """Filter, sort, group and cut a page. A page beyond the last is empty."""
    chosen = arranged(filtered(rows, query), query)
    start = (query.page - 1) * query.per_page
    shown = tuple(chosen[start : start + query.per_page])
    return Page(shown, query.page, pages_of(len(chosen), query.per_page), len(chosen))


def pages_of(total: int, per_page: int) -> int:
    """Return how many pages so many rows take; at least one, if an empty one."""
    return max(-(-total // per_page), 1)


def filtered(rows: Iterable[TargetRow], query: Query) -> list[TargetRow]:
    """Return the rows that a query asks for."""
    words = [visible(word) for word in query.q.casefold().split()]
    related = query.status or query.untrusted or query.inviter
    return [
        row
        for row in rows
        if (not query.state or row.state in query.state)
        and (not query.account or row.target.account_id == query.account)
        and (not query.label or query.label <= _labels(row))
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
    by_target = sorted(rows, key=lambda row: (row.target.account_id, row.target.region))
    keyed = [(key(row), row) for row in by_target]
    present = [pair for pair in keyed if pair[0] is not None]
    present.sort(key=lambda pair: pair[0], reverse=query.order == "desc")
    ordered = [row for _, row in present] + [row for value, row in keyed if value is None]
    if query.group == "none":
        return ordered
    groups: dict[str, list[TargetRow]] = {}
    for row in ordered:
        groups.setdefault(row.target.account_id, []).append(row)
    return [row for group in groups.values() for row in group]
