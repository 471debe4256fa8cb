"""YAML as configuration is read and written, and values that remember how they were written."""

import json
import re
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


class _Loader(yaml.SafeLoader):
    """YAML 1.2's core schema, in which `no` is text and 010 is ten; and every key stands once."""


# YAML 1.1's own rules are not taken over, before ours are added below.
_Loader.yaml_implicit_resolvers = {}


def _number(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Unquoted:
    # A tag may stand before anything: this refuses a list that is said to be a number.
    return Unquoted(loader.construct_scalar(node))


def _mapping(loader: yaml.SafeLoader, node: yaml.Node) -> Tree:
    if not isinstance(node, yaml.MappingNode):
        raise yaml.constructor.ConstructorError(
            None, None, "a tag says that this is a mapping", node.start_mark
        )
    seen: set[str] = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise yaml.constructor.ConstructorError(
                None, None, "a key must be a word", key.start_mark
            )
        if key.value in seen:
            message = f"the key {key.value!r} stands twice"
            raise yaml.constructor.ConstructorError(None, None, message, key.start_mark)
        seen.add(key.value)
        if key.tag != "tag:yaml.org,2002:merge":
            key.tag = "tag:yaml.org,2002:str"
    return {str(key): value for key, value in loader.construct_mapping(node, deep=True).items()}


class _Dumper(yaml.SafeDumper):
    """Quotes what any reader, of YAML 1.1 or 1.2, could take for something else than text."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: FBT001, FBT002 -- PyYAML's
        """Set lists off from the key that they belong to."""
        del indentless
        super().increase_indent(flow, indentless=False)


_SCALARS = (
    ("null", ["~", "n", "N", ""], re.compile(r"^(?:~|null|Null|NULL|)$")),
    ("bool", list("tTfF"), re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$")),
    ("int", list("-+0123456789"), re.compile(r"^[-+]?[0-9]+$")),
    ("float", list("-+.0123456789"), _FLOAT),
    ("merge", ["<"], re.compile(r"^<<$")),
)
for _name, _first, _pattern in _SCALARS:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", _pattern, _first)
    if _name in {"int", "float"}:
        _Dumper.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", _pattern, _first)
_Loader.add_constructor("tag:yaml.org,2002:int", _number)
_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


def read_yaml(text: str) -> object:
    """Read one YAML document; raises ValueError that says where it is wrong, on one line."""
    try:
        return yaml.load(text, _Loader)  # noqa: S506 -- a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ValueError(_on_one_line(error)) from error


def write_yaml(tree: object) -> str:
    """Write a tree so that it is read as the same tree."""
    # Not with allow_unicode: PyYAML would write separators of lines that it then reads as such.
    text: str = yaml.dump(tree, Dumper=_Dumper, sort_keys=False, default_flow_style=False)
    return text


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
