"""What file, environment and flags say together: one tree of text, and which of them said what.

pydantic-settings' own sources break promises: its command line stops at the first mistake, lets the
last of two equal flags win and takes no `=false` for a switch; its environment ignores what it does
not know at the top (MACIE_EXPORTER_POLL_INTERVAL); its YAML reads 012345678901 as another number;
its merging hides a broken section of the file behind a flag for one of its keys; and none says
where a value is from.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from exporter.files import read_whole
from exporter.settings.errors import Path, Problem, show
from exporter.settings.fields import AUTO
from exporter.settings.keys import KEYS, named, nearest_key
from exporter.settings.tree import Settings
from exporter.settings.yaml import Tree, read_yaml

LARGEST_FILE = 64 * 1024 * 1024
"""Bytes of the configuration file: ten thousand accounts are 2 MiB."""

_PREFIX = "MACIE_EXPORTER_"
"""Of the environment variables that are settings."""

_SERVICE_LINK = re.compile(r"(?:SERVICE_(?:HOST|PORT(?:_.+)?)|PORT(?:_[0-9]+_.+)?)")
"""What Kubernetes sets beside, in pods next to a Service of the name `macie-exporter`."""

_FILE, _INDEX = ("config", "file"), ("shard", "index")


@dataclass(frozen=True, slots=True)
class Sources:
    """What file, environment and flags say together, which of them said what, and what is wrong."""

    tree: Tree = field(default_factory=dict)
    origins: dict[Path, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def origin(self, path: Path) -> str:
        """Name what set a place, or the section around it; empty where nothing did."""
        above = (path[:length] for length in range(len(path), -1, -1))
        return next((self.origins[part] for part in above if part in self.origins), "")

    def value(self, *path: str) -> object:
        """Return what stands at a place; None where nothing does."""
        node: object = self.tree
        for step in path:
            node = node.get(step) if isinstance(node, dict) else None
        return node

    def put(self, path: tuple[str, ...], value: object, origin: str) -> None:
        """Set a key over what stood there, or say that there is no such key.

        A section that is none stays, and is refused as what it is.
        """
        if path not in KEYS or KEYS[path].in_list:
            self.problems.append(unknown_key(path, origin))
            return
        section: object = self.tree
        for length, step in enumerate(path[:-1], start=1):
            if isinstance(section, dict):
                if step not in section:
                    section[step] = {}
                    self.origins[path[:length]] = origin
                section = section[step]
        if isinstance(section, dict):
            section[path[-1]] = value
            self.origins[path] = origin


def read_sources(flags: Iterable[tuple[str, str]], environ: Mapping[str, str]) -> Sources:
    """Read all there is; what cannot be read is among the problems."""
    given = [
        *_variables(environ),
        *((tuple(name.replace("-", "_").split(".")), text, f"--{name}") for name, text in flags),
    ]
    files = [(text, origin) for path, text, origin in given if path == _FILE]
    sources = _file(*files[-1]) if files and files[-1][0] else Sources()
    for path, text, origin in given:
        try:
            text.encode()
        except UnicodeEncodeError:
            said = "no text: it holds a byte that is no UTF-8"
            sources.problems.append(Problem(path, said, origin=origin))
        else:
            sources.put(path, text, origin)
    if sources.value(*_INDEX) == AUTO:
        # The ordinal at the end of a StatefulSet's pod's name; without one the field refuses it.
        pod = environ.get("POD_NAME", "")
        origin = "the end of POD_NAME" if pod else "POD_NAME, which is not set"
        sources.put(_INDEX, pod.rpartition("-")[2], origin)
    return sources


def _variables(environ: Mapping[str, str]) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Yield the variables with the prefix; `__` nests, and empty means not set."""
    for name, text in sorted(environ.items()):
        rest = name.removeprefix(_PREFIX)
        if text and rest != name and not _SERVICE_LINK.fullmatch(rest):
            yield tuple(rest.lower().split("__")), text, name


def _file(path: str, origin: str) -> Sources:
    """Read the configuration file; `origin` is what named it."""
    try:
        content = read_yaml(read_whole(FilePath(path), LARGEST_FILE).decode())
    except OSError as error:
        said = f"cannot read it: {error.strerror}"
    except UnicodeDecodeError:
        said = "not UTF-8 text"
    except ValueError as error:
        said = f"not YAML: {error}"
    else:
        if isinstance(content, dict):
            sources = Sources(_without_nothing(content), {(): path})
            if sources.tree.pop("config", None) is not None:
                said = "cannot be set in the file itself"
                sources.problems.append(Problem(_FILE[:1], said, origin=path))
            return sources
        # An empty one is perhaps being written: to believe it would trust, and poll, others.
        said = "has no settings at its top; to have the defaults, write {}"
    return Sources(problems=[Problem(_FILE, said, show(path), origin)])


def _without_nothing(node: Any) -> Any:  # noqa: ANN401 -- mappings, lists, text and None
    """Leave out keys with nothing behind them: `aws:` with everything below commented out."""
    if isinstance(node, dict):
        return {key: _without_nothing(value) for key, value in node.items() if value is not None}
    return [_without_nothing(item) for item in node] if isinstance(node, list) else node


def unknown_key(path: Path, origin: str) -> Problem:
    """Say that there is no such key, and which one may be meant."""
    *above, _ = written = named(path)
    best = nearest_key(written)
    if best is None:
        beside = [key[-1] for key in KEYS if key[:-1] == (*above,)] or [*Settings.model_fields]
        return Problem(path, f"unknown key; there are {', '.join(beside)}", origin=origin)
    name = best.dotted
    if name == ".".join(written):
        *sections, last = best.path
        said = f"unknown key; keys are written nested: {last} below {'.'.join(sections)}"
        return Problem(path, said, origin=origin)
    if origin.startswith(_PREFIX) and not best.in_list:
        name += f" ({_PREFIX}{'__'.join(best.path).upper()})"
    return Problem(path, f"unknown key; the nearest is {name}", origin=origin)
