"""What is wrong in a configuration, as lines for people: of these settings, and of the web file."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic_core import ErrorDetails

Path = tuple[str | int, ...]
"""A place in a tree: keys, and positions in lists."""

_LONGEST_SHOWN = 80
_PLAIN = re.compile(r"[\w-]+")


class ConfigurationError(Exception):
    """The configuration is wrong; `lines` says each thing that is, one per line."""

    def __init__(self, lines: Iterable[str]) -> None:
        """Take the lines, ready to be shown."""
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in the configuration: where, as what, from where, and what would be right."""

    path: Path
    message: str
    shown: str = ""
    """The value; empty where there is none, or where it must not be seen."""
    origin: str = ""

    def __str__(self) -> str:
        """Return the problem as one line."""
        value = f" = {self.shown}" if self.shown else ""
        origin = f" (from {self.origin})" if self.origin else ""
        return f"{dotted(self.path)}{value}{origin}: {self.message}".replace("\n", "\\n")


def dotted(path: Path) -> str:
    """Name a place on one line, like aws.accounts[0].id."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{_word(step)}" for step in path)
    return text.removeprefix(".")


def _word(step: str) -> str:
    return step if _PLAIN.fullmatch(step) else json.dumps(step)


def show(value: object) -> str:
    """Show a value on one line. Mappings are not shown: secrets may be in them."""
    shown = _shown(value)
    return shown if len(shown) <= _LONGEST_SHOWN else f"{shown[: _LONGEST_SHOWN - 3]}..."


def _shown(value: object) -> str:
    match value:
        case list() | tuple():
            return f"[{', '.join(map(_shown, value))}]"
        case dict():
            return "{...}"
        case _:
            return json.dumps(value, default=str)


def message(detail: ErrorDetails, keys: Iterable[str] = ()) -> str:
    """Say what would be right where pydantic refuses a value; `keys` are those of a section."""
    context = detail.get("ctx", {})
    match detail["type"]:
        case "value_error":
            return str(context["error"])
        case "missing":
            return "is required"
        case "literal_error" | "enum":
            return f"must be {context['expected'].replace(chr(39), '')}"
        case kind if kind.startswith("model"):
            return f"must be a mapping with the keys {', '.join(keys)}"
        case kind:
            expected = _EXPECTED.get(kind.partition("_")[0])
            return expected or re.sub("^[A-Z][a-z]+ should", "must", detail["msg"])


_EXPECTED = {
    "string": "must be text",
    "bool": "must be true or false",
    "int": "must be a whole number",
    "tuple": "must be a list",
    "dict": "must be a mapping",
}
