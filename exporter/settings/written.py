"""YAML as configuration is read and written, and values that remember how they were written."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self

import yaml

Tree = dict[str, Any]
_LONGEST_SHOWN = 80
_FLOAT = re.compile(
    r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)"
    r"|\.(?:nan|NaN|NAN))$"
)


class Text(str):
    """A value from the environment or a flag, where everything is text."""

    __slots__ = ()


class Unquoted(int):
    """A number that stands in YAML without quotes; `text` is as it was written."""

    text: str

    def __new__(cls, text: str) -> Self:
        """Read the digits as decimal, whatever YAML thinks of a leading zero."""
        number = super().__new__(cls, text)
        number.text = text
        return number


_TAG = "tag:yaml.org,2002:"

_DEEPEST = 100
"""Levels of nesting; the settings need eight."""

_FREE, _RATIO = 100_000, 10
"""How many values aliases may repeat: so many, and so many times those written out before them."""

_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's where it is there, as in PyYAML's wheels: it takes a tenth of the time."""


def _boolean(text: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise ValueError("a tag says that this is true or false")
    return text.lower() == "true"


def _float(text: str) -> float:
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


_SCALARS: Sequence[tuple[str, list[str], re.Pattern[str], Callable[[str], object]]] = (
    ("null", ["~", "n", "N", ""], re.compile(r"^(?:~|null|Null|NULL|)$"), lambda _: None),
    ("bool", list("tTfF"), re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), _boolean),
    ("int", list("-+0123456789"), re.compile(r"^[-+]?[0-9]+$"), Unquoted),
    ("float", list("-+.0123456789"), _FLOAT, _float),
)
"""The types of YAML 1.2's core schema, in which `no` is text and 010 is ten: name, how each may
begin, how it is written, how it is read."""

_BY_TAG: Mapping[str, Callable[[str], object]] = {
    f"{_TAG}str": str,
    **{f"{_TAG}{name}": read for name, _, _, read in _SCALARS},
}


class _Reader:
    """Makes a document's value of a parser's events; every key stands once.

    Not by PyYAML's graph of nodes, which takes ten times as long, through which libyaml's binding
    goes by recursion in C until brackets without end crash the process, and in which aliases of
    aliases cost nothing until somebody goes through what they stand for.
    """

    def __init__(self, text: str) -> None:
        self._events: Iterator[Any] = yaml.parse(text, _PARSER)
        self._anchors: dict[str, tuple[object, int]] = {}
        """What stands at each, and how many values that is."""
        self._values = self._written = self._depth = 0

    def document(self) -> object:
        """Give the value of the only document; None where there is none."""
        next(self._events)
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return None
        value = self._value(next(self._events))
        next(self._events)
        following = next(self._events)
        if not isinstance(following, yaml.StreamEndEvent):
            expected = "expected a single document in the stream, but found another document"
            raise _wrong(expected, following)
        return value

    def _value(self, event: Any) -> object:  # noqa: ANN401 -- PyYAML's have no types
        if isinstance(event, yaml.AliasEvent):
            return self._repeated(event)
        before = self._values
        self._values += 1
        self._written += 1
        value = _scalar(event) if isinstance(event, yaml.ScalarEvent) else self._nested(event)
        if event.anchor:
            self._anchors[event.anchor] = (value, self._values - before)
        return value

    def _repeated(self, alias: Any) -> object:  # noqa: ANN401
        if alias.anchor not in self._anchors:
            raise _wrong("an alias of nothing that stands before it", alias)
        value, size = self._anchors[alias.anchor]
        self._values += size
        self._written += 1
        if self._values > _FREE + _RATIO * self._written:
            raise _wrong("aliases stand for too much: write it out", alias)
        return value

    def _nested(self, start: Any) -> object:  # noqa: ANN401
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _wrong(f"nested more than {_DEEPEST} deep", start)
        is_list = isinstance(start, yaml.SequenceStartEvent)
        if start.tag not in {None, "!", f"{_TAG}{'seq' if is_list else 'map'}"}:
            raise _wrong(_NO_SUCH_TAG, start)
        value = self._list() if is_list else self._mapping(start)
        self._depth -= 1
        return value

    def _list(self) -> list[object]:
        items = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._value(event))
        return items

    def _mapping(self, start: Any) -> Tree:  # noqa: ANN401
        tree: Tree = {}
        merges = False
        while not isinstance(key := next(self._events), yaml.MappingEndEvent):
            if not isinstance(key, yaml.ScalarEvent):
                raise _wrong("a key must be a word", key)
            if key.value in tree:
                raise _wrong(f"the key {key.value!r} stands twice", key)
            merges = merges or (key.value == "<<" and key.implicit[0])
            tree[key.value] = self._value(next(self._events))
        return _merged(tree, start) if merges else tree


_NO_SUCH_TAG = "could not determine a constructor for the tag"


def _merged(tree: Tree, start: Any) -> Tree:  # noqa: ANN401
    """Give a mapping with what it takes from others, of which the first comes first."""
    others = tree.pop("<<")
    others = others if isinstance(others, list) else [others]
    if not all(isinstance(other, dict) for other in others):
        raise _wrong("expected a mapping or a list of mappings for merging", start)
    merged: Tree = {}
    for part in (*reversed(others), tree):
        merged |= part
    return merged


def _scalar(event: Any) -> object:  # noqa: ANN401
    text: str = event.value
    if event.tag not in {None, "!"}:
        if event.tag not in _BY_TAG:
            raise _wrong(_NO_SUCH_TAG, event)
        return _BY_TAG[event.tag](text)
    if event.implicit[0]:
        for pattern, read in _PLAIN.get(text[:1], ()):
            if pattern.match(text):
                return read(text)
    return text


def _wrong(problem: str, event: Any) -> yaml.MarkedYAMLError:  # noqa: ANN401
    return yaml.MarkedYAMLError(None, None, problem, event.start_mark)


_PLAIN: dict[str, list[tuple[re.Pattern[str], Callable[[str], object]]]] = {}
"""How a text without quotes and tag may have to be read, by its first character."""

for _, _first, _pattern, _read in _SCALARS:
    for _character in _first:
        _PLAIN.setdefault(_character, []).append((_pattern, _read))


def read_yaml(text: str) -> object:
    """Read one YAML document; raises ValueError that says where it is wrong, on one line."""
    try:
        return _Reader(text).document()
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ValueError(_on_one_line(error)) from error


def write_yaml(tree: object) -> str:
    """Write a tree so that it is read as the same tree.

    Not by PyYAML, which takes 20 s for 200,000 accounts.
    """
    return "".join(f"{line}\n" for line in _lines(tree))


def _lines(node: object) -> Iterator[str]:
    if isinstance(node, dict) and node:
        for key, value in node.items():
            yield from _behind(_word(key), value)
    elif isinstance(node, list) and node:
        for item in node:
            first, *rest = _lines(item)
            yield f"- {first}"
            yield from (f"  {line}" for line in rest)
    else:
        yield _leaf(node)


def _behind(key: str, value: object) -> Iterator[str]:
    if isinstance(value, dict | list) and value:
        yield f"{key}:"
        yield from (f"  {line}" for line in _lines(value))
    else:
        yield f"{key}: {_leaf(value)}"


def _leaf(value: object) -> str:
    match value:
        case str():
            return _word(value)
        case float():
            return repr(value).replace("inf", ".inf").replace("nan", ".nan")
        case _:
            # A whole number, true, false, null, [] or {}: as in JSON.
            return json.dumps(value)


_UNQUOTED = re.compile(
    r"(?!(?:y|n|yes|no|on|off|true|false|null)$)"
    r"(?:(?:[a-z/_]|:(?=\w))(?:[\w./@+=,-]|:(?=\S)| (?=\w))*|(?:[0-9]+[smhdw])+)",
    re.ASCII | re.IGNORECASE,
)
"""Text that no reader, of YAML 1.1 or 1.2, takes for something else."""

_PRINTABLE = re.compile(r"[ -~]*")


def _word(text: str) -> str:
    if _UNQUOTED.fullmatch(text):
        return text
    if _PRINTABLE.fullmatch(text):
        return "'" + text.replace("'", "''") + "'"
    # Not every character may stand there as it is, and some would end the line.
    escaped = text.encode("unicode_escape").decode().replace('"', '\\"')
    return f'"{escaped}"'


def as_written(value: object) -> str:
    """Give a scalar as the text that stood there."""
    return value.text if isinstance(value, Unquoted) else str(value)


def show(value: object) -> str:
    """Show a value as it was written, on one line, for messages.

    Mappings are not shown: secrets may be in them.
    """
    shown = _shown(value)
    return shown if len(shown) <= _LONGEST_SHOWN else f"{shown[: _LONGEST_SHOWN - 3]}..."


def _shown(value: object) -> str:
    match value:
        case Unquoted():
            return value.text
        case list() | tuple():
            return f"[{', '.join(map(_shown, value))}]"
        case dict():
            return "{...}"
        case _:
            return json.dumps(value, default=str)


_QUOTED = re.compile(r"""\b(alias|anchor|tag|handle|base 10):? (['"]).*\2""")
"""What YAML's errors repeat of the file: an external id may begin like an alias or a tag."""


def _on_one_line(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        parts = (error.context, error.problem)
        said = ", ".join(_QUOTED.sub(r"\1", part) for part in parts if part)
        return f"{said} (line {mark.line + 1}, column {mark.column + 1})"
    return _QUOTED.sub(r"\1", " ".join(str(error).split()))
