"""What pydantic refuses, in words that say what would be right."""

from collections.abc import Iterator, Sequence

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from exporter.settings.fields import AUTO
from exporter.settings.keys import Kind, Path, key_at, may_hold_secret
from exporter.settings.sources import Layer, Problem, held, section_expected
from exporter.settings.written import Unquoted, as_written, show

_FOLLOWS_FROM_ANOTHER = "default_factory_not_called"


def problems(error: ValidationError, layers: Sequence[Layer]) -> Iterator[Problem]:
    """Give everything that pydantic found wrong, with where it comes from."""
    for detail in error.errors(include_url=False):
        if detail["type"] != _FOLLOWS_FROM_ANOTHER:
            path: Path = detail["loc"]
            silent = detail["type"] == "missing" or may_hold_secret(path)
            shown = "" if silent else show(detail["input"])
            yield Problem(path, message(detail, path), shown, held(layers, path).origin)


def message(detail: ErrorDetails, path: Path) -> str:
    """Return what pydantic refuses at a place of the settings or of the web file, in words."""
    context = detail.get("ctx", {})
    match detail["type"]:
        case "value_error":
            return str(context["error"])
        case "missing":
            return "is required"
        case "literal_error":
            return f"must be {context['expected'].replace(chr(39), '')}"
        case "string_type" if isinstance(detail["input"], bool | int | float):
            return "must be a string: put it in quotes"
        case kind:
            expected = _EXPECTED.get(kind.partition("_")[0])
            return expected(path, detail["input"]) if expected else detail["msg"]


def _list_expected(path: Path, value: object) -> str:
    key = key_at(path)
    if key is not None and key.kind is Kind.SECTIONS:
        return 'must be a list of mappings, like [{"id": "012345678901"}]'
    or_auto = f" or {AUTO}" if path[-1] == "regions" else ""
    like = f", like {show([as_written(value)])}" if isinstance(value, str | Unquoted) else ""
    return f"must be a list{or_auto}{like}"


def _section_expected(path: Path, _: object) -> str:
    key = key_at(path)
    return section_expected(key.keys) if key else "must be a mapping"


_EXPECTED = {
    "string": lambda *_: "must be a string",
    "bool": lambda *_: "must be true or false",
    "tuple": _list_expected,
    "dict": _section_expected,
    "model": _section_expected,
}
