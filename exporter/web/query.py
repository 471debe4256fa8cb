"""Which targets are asked for, and in what order: a query read from a URL. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from urllib.parse import urlencode

from exporter.nearest import nearest
from exporter.state import TargetState
from exporter.status import TargetRow

PER_PAGE = 50
MOST_PER_PAGE = 1000
_MOST_DIGITS = 9
_LONGEST_TEXT = 512
"""A label has more than others: AWS lets a tag's key have 128 characters, its value 256."""
_LONGEST_NAME = 64
_MOST_PARAMETERS = 32

_SEVERITY = {state: rank for rank, state in enumerate(reversed(TargetState))}
"""Stale first, pending last: the later in the enumeration, the more it asks for somebody."""

Key = Callable[[TargetRow], Any]
"""Returns what a column is sorted by: values that compare, or None for those that go last."""

COLUMNS: Mapping[str, Key] = {
    "account": lambda row: (row.account.name.casefold(), row.target.account_id),
    "region": lambda row: row.target.region,
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
        """Hold a line for each mistake."""
        super().__init__("\n".join(lines))
        self.lines = tuple(lines)


@dataclass(frozen=True, slots=True)
class Query:
    """Which targets to show."""

    text: str = ""
    """Words that must all occur in the account, its labels, the region, the error or an inviter."""
    account: str = ""
    """The id of an account; empty: all."""
    states: frozenset[TargetState] = frozenset()
    """Empty: all."""
    status: str = ""
    """The relationship status that an invitation must have, in whatever case."""
    untrusted: bool = False
    """Whether its inviter must be one that is not trusted."""
    inviter: str = ""
    """The id of the account that must have sent it."""
    labels: frozenset[str] = frozenset()
    """Labels that the account must have, each as KEY=VALUE: keys too may hold a `=`."""
    sort: str = "account"
    order: str = "asc"
    group: str = "account"
    """`account` keeps the targets of an account together, `none` does not."""
    page: int = 1
    per_page: int = PER_PAGE

    def url(self, **changes: Any) -> str:  # noqa: ANN401 -- whatever the fields are
        """Return a relative link to the first page of the query, changed so."""
        other = replace(self, **{"page": 1, **changes})
        return f"?{urlencode(list(other.parameters()))}"

    def sorted_by(self, column: str) -> str:
        """Return the link that sorts by a column, the other way round if it is so already."""
        down = column == self.sort and self.order == "asc"
        return self.url(sort=column, order="desc" if down else "asc")

    def parameters(self) -> Iterator[tuple[str, str]]:
        """Yield what differs from the defaults, as parameters of a URL."""
        for name, (field, _) in _READERS.items():
            value = getattr(self, field)
            if value != getattr(_DEFAULT, field):
                yield name, str(value).lower() if value is True else str(value)
        yield from (("state", state.value) for state in TargetState if state in self.states)
        yield from (("label", label) for label in sorted(self.labels))


_DEFAULT = Query()


def parse(parameters: Iterable[tuple[str, str]]) -> Query:
    """Read a query. Raises QueryError with everything that is wrong."""
    fields: dict[str, Any] = {}
    lines = []
    for name, value in bounded(parameters):
        try:
            if name in _REPEATABLE:
                field, read = _REPEATABLE[name]
                fields[field] = fields.get(field, frozenset()) | {read(value)}
            elif name in _READERS:
                field, read = _READERS[name]
                if field in fields:
                    raise ValueError("is given a second time")  # noqa: TRY301 -- as other mistakes
                fields[field] = read(value)
            else:
                lines.append(f"{name}: unknown; the nearest is {nearest(name, PARAMETERS)}")
        except ValueError as error:
            lines.append(f"{name} = {value}: {error}")
    if lines:
        raise QueryError(lines)
    return Query(**fields)


def bounded(parameters: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
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


def _state(value: str) -> TargetState:
    return TargetState(_choice(tuple(state.value for state in TargetState), value))


def _account(value: str) -> str:
    if not is_account(value):
        raise ValueError("must be an account id of 12 digits")
    return value


def is_account(text: str) -> bool:
    """Return whether a text is an account id."""
    return len(text) == 12 and text.isascii() and text.isdigit()  # noqa: PLR2004 -- see above


def _label(value: str) -> str:
    if "=" not in value[1:]:
        raise ValueError("must be KEY=VALUE")
    return value


_READERS: Mapping[str, tuple[str, Callable[[str], object]]] = {
    "q": ("text", str.strip),
    "account": ("account", _account),
    "status": ("status", str.strip),
    "untrusted": ("untrusted", lambda value: bool(_choice(("true",), value))),
    "inviter": ("inviter", _account),
    "sort": ("sort", partial(_choice, tuple(COLUMNS))),
    "order": ("order", partial(_choice, _ORDERS)),
    "group": ("group", partial(_choice, _GROUPS)),
    "page": ("page", partial(_whole, 10**_MOST_DIGITS - 1)),
    "per_page": ("per_page", partial(_whole, MOST_PER_PAGE)),
}
_REPEATABLE: Mapping[str, tuple[str, Callable[[str], object]]] = {
    "state": ("states", _state),
    "label": ("labels", _label),
}
PARAMETERS = (*_REPEATABLE, *_READERS)
"""What a query may hold."""
