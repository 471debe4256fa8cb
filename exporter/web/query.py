"""Which targets are asked for, in what order, and what that selects. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, TypeVar
from urllib.parse import urlencode

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from exporter.nearest import suggestion
from exporter.settings.errors import message
from exporter.settings.fields import ACCOUNT_ID
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

    def __init__(self, *lines: str) -> None:
        """Hold a line for each mistake."""
        super().__init__("\n".join(lines))
        self.lines = lines


def _account(value: str) -> str:
    if value and not ACCOUNT_ID.fullmatch(value):
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


def parse(parameters: Sequence[tuple[str, str]]) -> Query:
    """Read a query. Raises QueryError with everything that is wrong."""
    _check_size(parameters)
    given: dict[str, list[str]] = {}
    for name, value in parameters:
        given.setdefault(name, []).append(value)
    # What is given twice stays a list, which is no value of the others.
    alone = {name for name, values in given.items() if len(values) == 1} - _REPEATABLE
    asked = {name: values[0] if name in alone else values for name, values in given.items()}
    try:
        return Query.model_validate(asked)
    except ValidationError as error:
        raise QueryError(*map(_line, error.errors(include_url=False))) from None


def _line(detail: ErrorDetails) -> str:
    name = str(detail["loc"][0])
    if detail["type"] == "extra_forbidden":
        return f"{name}: unknown; {suggestion(name, PARAMETERS)}"
    return f"{name} = {detail['input']}: {message(detail)}"


def _check_size(parameters: Sequence[tuple[str, str]]) -> None:
    """Refuse what is more than any query needs: to say what is wrong with it takes time and space.

    Raises QueryError.
    """
    long = (len(name) > _LONGEST_NAME or len(text) > _LONGEST_VALUE for name, text in parameters)
    if len(parameters) > _MOST_PARAMETERS or any(long):
        raise QueryError(
            f"at most {_MOST_PARAMETERS} parameters are read, with names of at most "
            f"{_LONGEST_NAME} and values of at most {_LONGEST_VALUE} characters"
        )


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A page of a list, and how much that is in all."""

    items: Sequence[T]
    number: int
    pages: int
    """At least one, if an empty one."""
    total: int


def cut(items: Sequence[T], number: int, per_page: int) -> Page[T]:
    """Return a page of a list, counted from 1. One beyond the last is empty."""
    start = (number - 1) * per_page
    pages = max(-(-len(items) // per_page), 1)
    return Page(items[start : start + per_page], number, pages, len(items))


def select(rows: Iterable[TargetRow], query: Query) -> Page[TargetRow]:
    """Filter, sort and cut a page."""
    chosen = [row for row in rows if _fits(row, query)]
    return cut(_sorted(chosen, query), query.page, query.per_page)


def _fits(row: TargetRow, query: Query) -> bool:
    return (
        (not query.state or row.state in query.state)
        and query.account in ("", row.target.account_id)
        and query.label <= {f"{key}={value}" for key, value in row.account.labels.items()}
        and _is_related(row, query)
        and _has(row, query.q.casefold().split())
    )


def _is_related(row: TargetRow, query: Query) -> bool:
    """Return whether one invitation, or the administrator in fact, is all that is asked for."""
    if not (query.status or query.untrusted or query.inviter):
        return True
    return any(
        (not query.untrusted or each.trusted is False)
        and query.inviter in ("", each.account_id)
        and query.status.casefold() in ("", each.status.casefold())
        for each in row.related()
    )


def _has(row: TargetRow, words: Sequence[str]) -> bool:
    """Return whether each word occurs in what pages show of a row."""
    if not words:
        return True
    failure, account = row.failure, row.account
    error = f"{failure.code} {failure.message} {failure.request_id}" if failure else ""
    labels = " ".join(account.labels.values())
    inviters = " ".join({f"{each.account_id} {each.name}" for each in row.related()})
    text = f"{account.id} {account.name} {labels} {row.target.region} {error} {inviters}"
    shown = visible(text.casefold())
    return all(visible(word) in shown for word in words)


def _sorted(rows: Sequence[TargetRow], query: Query) -> Sequence[TargetRow]:
    """Sort rows by the query's column, those without a value last, equal ones by target."""
    key = COLUMNS[query.sort]
    keyed = [(key(row), row) for row in sorted(rows, key=lambda row: row.target)]
    present = [pair for pair in keyed if pair[0] is not None]
    present.sort(key=lambda pair: pair[0], reverse=query.order == "desc")
    return [row for _, row in present] + [row for value, row in keyed if value is None]
