"""The layers that configuration comes in: a YAML file, the environment, flags.

Each becomes a nested mapping that still knows how its values were written.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ENVIRONMENT_PREFIX = "MACIE_EXPORTER_"
Tree = dict[str, Any]


class Text(str):
    """A value from the environment or a flag, where everything is text."""

    __slots__ = ()


class Unquoted(int):
    """A number that stands in YAML without quotes; `text` is as it was written."""

    text: str

    def __new__(cls, text: str) -> "Unquoted":
        """Read the digits as decimal, whatever YAML thinks of a leading zero."""
        number = super().__new__(cls, text.replace("_", ""))
        number.text = text
        return number


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in the configuration: where, and what would be right."""

    path: tuple[str | int, ...]
    message: str
    value: object = None
    has_value: bool = False


@dataclass(frozen=True, slots=True)
class Layer:
    """One source's part of the tree, and how it names a key."""

    tree: Tree
    source: str
    problems: tuple[Problem, ...] = field(default=())

    def origin(self, path: tuple[str | int, ...]) -> str | None:
        """Name this source if it holds the path."""
        node: Any = self.tree
        for step in path:
            try:
                node = node[step]
            except (KeyError, IndexError, TypeError):
                return None
        return self.source


class _Loader(yaml.SafeLoader):
    """YAML in which a key stands once and unquoted numbers stay recognisable."""


def _number(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> object:
    if node.value.replace("_", "").isdecimal():
        return Unquoted(node.value)
    return yaml.SafeLoader.construct_yaml_int(loader, node)


def _mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> Tree:
    seen: set[str] = set()
    for key, _ in node.value:
        if key.value in seen:
            message = f"the key {key.value!r} stands twice"
            raise yaml.constructor.ConstructorError(None, None, message, key.start_mark)
        seen.add(key.value)
    return {str(key): value for key, value in loader.construct_mapping(node, deep=True).items()}


_Loader.add_implicit_resolver("tag:yaml.org,2002:int", __import__("re").compile(r"^0\d+$"), list("0"))
_Loader.add_constructor("tag:yaml.org,2002:int", _number)
_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


def read_yaml(text: str) -> object:
    """Read one YAML document; raises yaml.YAMLError with the place where it is wrong."""
    return yaml.load(text, _Loader)  # noqa: S506 -- a SafeLoader


def file_layer(path: str) -> Layer:
    """Read the configuration file. What cannot be read becomes a problem of the layer."""
    try:
        content = read_yaml(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        return _unread(path, f"cannot read it: {error.strerror}")
    except UnicodeDecodeError:
        return _unread(path, "not UTF-8 text")
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        return _unread(path, f"not YAML: {_on_one_line(error)}")
    if content is None:
        return Layer({}, path)
    if not isinstance(content, dict):
        return _unread(path, "not a mapping of settings at its top")
    if "config" in content:
        return _unread(path, "'config' cannot be set in the file itself: use --config.file")
    return Layer(content, path)


def environment_layer(environ: Mapping[str, str]) -> Layer:
    """Take the variables with the prefix; `__` nests, empty means not set."""
    named = (
        (tuple(name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")), value)
        for name, value in sorted(environ.items())
        if name.startswith(ENVIRONMENT_PREFIX) and value
    )
    return _layer(named, "the environment")


def flags_layer(flags: Iterable[tuple[str, str]]) -> Layer:
    """Take flags as (dotted kebab-case name, text)."""
    return _layer(
        ((tuple(name.replace("-", "_").split(".")), value) for name, value in flags), "flags"
    )


def _layer(pairs: Iterable[tuple[tuple[str, ...], str]], source: str) -> Layer:
    tree: Tree = {}
    problems = []
    for path, text in pairs:
        node = tree
        for step in path[:-1]:
            inner = node.setdefault(step, {})
            node = inner if isinstance(inner, dict) else node
        try:
            node[path[-1]] = _structured(text)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            problems.append(Problem(path, f"not JSON: {_on_one_line(error)}"))
    return Layer(tree, source, tuple(problems))


def _structured(text: str) -> object:
    return read_yaml(text) if text.lstrip().startswith(("[", "{")) else Text(text)


def _unread(path: str, message: str) -> Layer:
    return Layer({}, path, (Problem(("config", "file"), message, path, has_value=True),))


def _on_one_line(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"{error.problem} (line {mark.line + 1}, column {mark.column + 1})"
    return " ".join(str(error).split())
