"""YAML as configuration is read and written. Every scalar is text until its field reads it.

So an account id keeps its leading zero without quotes, and neither `no` nor 0x1F is anything else
than what was written.
"""

import re
from collections.abc import Iterator
from typing import Any

import yaml

Tree = dict[str, Any]

_NOTHING = frozenset({"", "~", "null", "Null", "NULL"})
"""What stands for no value, where it has no quotes."""

_TAGS = frozenset({None, "!", *(f"tag:yaml.org,2002:{name}" for name in ("str", "seq", "map"))})

_DEEPEST = 100
"""Levels of nesting; the settings need eight."""

_MOST = 2_000_000
"""Values, those that aliases repeat included; ten thousand accounts are a tenth of a million."""

_PARSER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
"""libyaml's where it is there, as in PyYAML's wheels: it takes a tenth of the time."""


def read_yaml(text: str) -> object:
    """Read one document: mappings, lists, text, and None for nothing.

    Raises ValueError that says where it is wrong, on one line.
    """
    try:
        return _Reader(text).document()
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(_on_one_line(error)) from None


class _Reader:
    """Makes a document's value of a parser's events; every key stands once.

    Not by PyYAML's loaders: with libyaml they go by recursion in C until brackets without end crash
    the process, and aliases of aliases cost nothing until somebody goes through them.
    """

    def __init__(self, text: str) -> None:
        self._events: Iterator[Any] = yaml.parse(text, _PARSER)
        self._anchors: dict[str, tuple[object, int]] = {}
        """What stands at each, and how many values that is."""
        self._values = self._depth = 0

    def document(self) -> object:
        """Return the value of the only document; None where there is none."""
        next(self._events)
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return None
        value = self._value(next(self._events))
        next(self._events)
        if not isinstance(following := next(self._events), yaml.StreamEndEvent):
            raise _wrong("a second document begins", following)
        return value

    def _value(self, event: Any) -> object:  # noqa: ANN401 -- PyYAML's events have no types
        if isinstance(event, yaml.AliasEvent):
            return self._repeated(event)
        if event.tag not in _TAGS:
            raise _wrong("a tag that means nothing here", event)
        before = self._values
        self._count(1, event)
        value = _scalar(event) if isinstance(event, yaml.ScalarEvent) else self._nested(event)
        if event.anchor:
            self._anchors[event.anchor] = (value, self._values - before)
        return value

    def _repeated(self, alias: Any) -> object:  # noqa: ANN401
        if alias.anchor not in self._anchors:
            raise _wrong("an alias of nothing that stands before it", alias)
        value, size = self._anchors[alias.anchor]
        self._count(size, alias)
        return value

    def _count(self, values: int, event: Any) -> None:  # noqa: ANN401
        self._values += values
        if self._values > _MOST:
            raise _wrong(f"more than {_MOST} values, with what aliases stand for", event)

    def _nested(self, start: Any) -> object:  # noqa: ANN401
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _wrong(f"nested more than {_DEEPEST} deep", start)
        is_list = isinstance(start, yaml.SequenceStartEvent)
        value = self._list() if is_list else self._mapping()
        self._depth -= 1
        return value

    def _list(self) -> list[object]:
        items = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._value(event))
        return items

    def _mapping(self) -> Tree:
        tree: Tree = {}
        while not isinstance(key := next(self._events), yaml.MappingEndEvent):
            if not isinstance(key, yaml.ScalarEvent):
                raise _wrong("a key must be a word", key)
            if key.value in tree:
                raise _wrong(f"the key {key.value!r} stands twice", key)
            tree[key.value] = self._value(next(self._events))
        return tree


def _scalar(event: Any) -> str | None:  # noqa: ANN401
    text: str = event.value
    return None if event.implicit[0] and text in _NOTHING else text


def _wrong(problem: str, event: Any) -> yaml.MarkedYAMLError:  # noqa: ANN401
    return yaml.MarkedYAMLError(None, None, problem, event.start_mark)


_QUOTED = re.compile(r"""\b(alias|anchor|tag|handle):? (['"]).*\2""")
"""What YAML's errors repeat of the file: an external id may begin like an alias or a tag."""


def _on_one_line(error: Exception) -> str:
    said, where = str(error), ""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        said = ", ".join(part for part in (error.context, error.problem) if part)
        where = f" (line {mark.line + 1}, column {mark.column + 1})"
    return _QUOTED.sub(r"\1", " ".join(said.split())) + where


def write_yaml(tree: object) -> str:
    """Write mappings, lists, text, numbers, truth values and None so that any reader takes them.

    Not least account ids, which YAML 1.2 has for numbers where PyYAML would not quote them.
    """
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, width=_WIDEST)


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]  # as above
    """Quotes text, but for plain words, addresses, paths and durations."""

    def ignore_aliases(self, _: object) -> bool:
        return True


_WIDEST = 2**31 - 1
_UNQUOTED = re.compile(
    r"(?![yn]$)[a-z/_:](?:[\w./@+=,-]|:(?=\w))*|(?:[0-9]+[smhdw])+", re.ASCII | re.IGNORECASE
)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if _UNQUOTED.fullmatch(text) else "'"
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _text)
