"""The layers that configuration comes in: a YAML file, the environment, flags.

Each is a part of the tree that knows, for every key, where it was set: so an error can name the
file, the variable or the flag. Flags stand before the environment, that before the file.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath

from exporter.files import read_whole
from exporter.settings.keys import (
    KEYS,
    Key,
    Kind,
    Path,
    dotted,
    may_hold_secret,
    named,
    nearest_key,
)
from exporter.settings.written import Text, Tree, read_yaml, show

ENVIRONMENT_PREFIX = "MACIE_EXPORTER_"
_SERVICE_LINK = re.compile(r"(?:SERVICE_(?:HOST|PORT(?:_.+)?)|PORT(?:_[0-9]+_.+)?)")
"""What Kubernetes sets beside, in pods next to a Service of the name `macie-exporter`."""

LARGEST_FILE = 64 * 1024 * 1024
"""Bytes of the configuration file: ten thousand accounts are 2 MiB."""

_NO_UTF8 = "no text: it holds half of a surrogate pair, or a byte that is no UTF-8"

_ORDINAL = re.compile(r".*-([0-9]+)")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in the configuration: where, as what, from where, and what would be right."""

    path: Path
    message: str
    shown: str = ""
    """The value; empty where there is none, or where it must not be seen."""
    origin: str = ""

    def __str__(self) -> str:
        """Give the problem as one line."""
        value = f" = {self.shown}" if self.shown else ""
        origin = f" (from {self.origin})" if self.origin else ""
        return f"{dotted(self.path)}{value}{origin}: {self.message}".replace("\n", "\\n")


@dataclass(frozen=True, slots=True)
class Layer:
    """One source's part of the tree."""

    tree: Tree
    names: Mapping[Path, str]
    """What set a place of the tree, and everything below it."""
    problems: tuple[Problem, ...] = ()

    def origin(self, path: Path) -> str:
        """Name what set a place; empty where nothing here did."""
        return _origin(self.names, path)


def _origin(names: Mapping[Path, str], path: Path) -> str:
    above = (path[:length] for length in range(len(path), -1, -1))
    return next((names[part] for part in above if part in names), "")


@dataclass(frozen=True, slots=True)
class Held:
    """The value that holds at a place, and the name of what set it."""

    value: object = None
    origin: str = ""


def held(layers: Sequence[Layer], path: Path) -> Held:
    """Look a place up in layers, the first of which comes first; sections are merged, lists not.

    Where no layer goes that deep, there is no value, and the origin is that of what lies above.
    """
    holders: list[tuple[Layer, object]] = [(layer, layer.tree) for layer in layers]
    for position, step in enumerate(path):
        inner = [(layer, node[step]) for layer, node in holders if _has(node, step)]  # type: ignore[index]  # `_has` saw it
        if not inner:
            return Held(None, holders[0][0].origin(path) if position else "")
        holders = inner if isinstance(inner[0][1], dict) else inner[:1]
    return Held(holders[0][1], holders[0][0].origin(path))


def _has(node: object, step: str | int) -> bool:
    if isinstance(step, int):
        return isinstance(node, list) and step < len(node)
    return isinstance(node, dict) and step in node


def file_layer(path: str, origin: str, *, anew: bool = False) -> Layer:
    """Read the configuration file; `origin` is what named it. What cannot be becomes a problem.

    So does, where it is read `anew`, a file with nothing in it.
    """
    try:
        content = read_yaml(read_whole(FilePath(path), LARGEST_FILE).decode())
    except OSError as error:
        return _unread(path, origin, f"cannot read it: {error.strerror}")
    except UnicodeDecodeError:
        return _unread(path, origin, "not UTF-8 text")
    except ValueError as error:
        return _unread(path, origin, f"not YAML: {error}")
    if content is None and anew:
        # Perhaps it is being written. To believe it would drop every account meanwhile.
        return _unread(path, origin, "is empty now; to have the defaults from now on, write {}")
    if not isinstance(content, dict | None):
        return _unread(path, origin, "not a mapping with settings at its top")
    names: dict[Path, str] = {(): path}
    tree, problems = _checked(content or {}, (), names)
    if "config" in tree:
        del tree["config"]
        problems.append(Problem(("config",), "cannot be set in the file itself", origin=path))
    return Layer(tree, names, tuple(problems))


def _unread(path: str, origin: str, message: str) -> Layer:
    return Layer({}, {}, (Problem(("config", "file"), message, show(path), origin),))


def environment_layer(environ: Mapping[str, str]) -> Layer:
    """Take the variables with the prefix; `__` nests, and empty means not set."""
    return _layer(
        (tuple(rest.lower().split("__")), name, value)
        for name, value in sorted(environ.items())
        if value and (rest := name.removeprefix(ENVIRONMENT_PREFIX)) != name
        if not _SERVICE_LINK.fullmatch(rest)
    )


def flags_layer(flags: Iterable[tuple[str, str]]) -> Layer:
    """Take flags as (dotted kebab-case name, text)."""
    return _layer(
        (tuple(name.replace("-", "_").split(".")), f"--{name}", value) for name, value in flags
    )


def region_layer(region: str) -> Layer:
    """Take the region of the AWS environment as that of everything without one."""
    return Layer({"aws": {"regions": [region]}}, {("aws", "regions"): "the AWS environment"})


def pod_layer(environ: Mapping[str, str]) -> Layer:
    """Take the ordinal at the end of the pod's name as the number of the shard."""
    pod = environ.get("POD_NAME", "")
    found = _ORDINAL.fullmatch(pod)
    if found:
        return Layer({"shard": {"index": Text(found[1])}}, {("shard", "index"): "POD_NAME"})
    said = f"is {show(pod)}" if pod else "is not set"
    message = f"auto needs a pod name that ends in its ordinal, like exporter-0; POD_NAME {said}"
    return Layer({"shard": {"index": 0}}, {}, (Problem(("shard", "index"), message),))


def _layer(given: Iterable[tuple[tuple[str, ...], str, str]]) -> Layer:
    tree: Tree = {}
    names: dict[Path, str] = {}
    problems = []
    for path, name, text in given:
        if path not in KEYS or KEYS[path].in_list:
            problems.append(_unknown(path, name))
            continue
        try:
            _put(tree, path, _read(KEYS[path].kind, text))
            names[path] = name
        except ValueError as error:
            problems.append(Problem(path, f"not JSON: {error}", origin=name))
    kept, wrong = _checked(tree, (), names)
    return Layer(kept, names, (*problems, *wrong))


def _read(kind: Kind, text: str) -> object:
    """Read a list or a section that is written as JSON; everything else is text."""
    opening = {Kind.LIST: "[", Kind.SECTIONS: "[", Kind.SECTION: "{"}.get(kind)
    return read_yaml(text) if opening and text.lstrip().startswith(opening) else Text(text)


def _put(tree: Tree, path: tuple[str, ...], value: object) -> None:
    for step in path[:-1]:
        if not isinstance(tree.get(step), dict):
            tree[step] = {}
        tree = tree[step]
    tree[path[-1]] = value


def _checked(node: Tree, path: Path, names: Mapping[Path, str]) -> tuple[Tree, list[Problem]]:
    """Take out of a section what cannot be in it; a key with nothing behind it is not set.

    Here and not at the end, since a layer that stands before this one would hide what is wrong.
    """
    kept: Tree = {}
    problems: list[Problem] = []
    section = named(path)
    for name, value in node.items():
        here = (*path, name)
        key = KEYS.get((*section, name))
        if key is None:
            problems.append(_unknown(here, _origin(names, here)))
        elif value is None:
            continue
        elif key.kind is Kind.SECTION and not isinstance(value, dict):
            shown = "" if may_hold_secret(here) else show(value)
            origin = _origin(names, here)
            problems.append(Problem(here, section_expected(key.keys), shown, origin))
        else:
            kept[name], wrong = _checked_value(value, key, here, names)
            problems += wrong
    return kept, problems


def _checked_value(
    value: object, key: Key, path: Path, names: Mapping[Path, str]
) -> tuple[object, Sequence[Problem]]:
    if isinstance(value, dict) and key.keys:
        return _checked(value, path, names)
    if isinstance(value, str) and not (value.isascii() or _has_utf8(value)):
        shown = "" if may_hold_secret(path) else show(value)
        return value, [Problem(path, _NO_UTF8, shown, _origin(names, path))]
    if not isinstance(value, list):
        return value, ()
    pairs = [_checked_value(item, key, (*path, index), names) for index, item in enumerate(value)]
    return [item for item, _ in pairs], [problem for _, wrong in pairs for problem in wrong]


def _has_utf8(text: str) -> bool:
    """Tell whether a text can be written: YAML can spell half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def section_expected(keys: Iterable[str]) -> str:
    """Say that a section is needed where there is something else."""
    return f"must be a mapping with the keys {', '.join(keys)}"


def _unknown(path: Path, origin: str) -> Problem:
    best = nearest_key(path)
    name = best.dotted
    if origin.startswith(ENVIRONMENT_PREFIX) and not best.in_list:
        name += f" ({ENVIRONMENT_PREFIX}{'__'.join(best.path).upper()})"
    return Problem(path, f"unknown key; the nearest known key is {name}", origin=origin)
