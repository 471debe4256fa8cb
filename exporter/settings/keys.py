"""Every key of the tree of settings, made from its models; and the nearest to a wrong one."""

import ast
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import pairwise
from textwrap import dedent
from typing import Any, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from exporter.nearest import nearest
from exporter.settings.errors import Path
from exporter.settings.tree import Settings


@dataclass(frozen=True, slots=True)
class Key:
    """A key; its path leaves positions in lists out."""

    path: tuple[str, ...]
    dotted: str
    """As messages and the documentation name it."""
    section: type[BaseModel]
    """Where it is declared."""
    field: FieldInfo
    keys: tuple[str, ...] = ()
    """The keys of the section, or of the sections, behind it."""

    @property
    def in_list(self) -> bool:
        """Whether it is one of a list's items: no flag can set it."""
        return "[]" in self.dotted

    @property
    def description(self) -> str:
        """What it is for, on one line."""
        return " ".join(_docstrings(self.section).get(self.path[-1], "").split())

    @property
    def default(self) -> object:
        """As it is written; None where there is none, or another key decides it."""
        written = self.section.model_construct().model_dump(mode="json")
        return None if self.field.default_factory else written.get(self.path[-1])

    @property
    def is_list(self) -> bool:
        """Whether a list stands behind it."""
        return get_origin(self.field.annotation) is tuple

    @property
    def is_secret(self) -> bool:
        """Whether its value must not be seen."""
        return SecretStr in {self.field.annotation, *get_args(self.field.annotation)}


@cache
def _docstrings(model: type[BaseModel]) -> Mapping[str, str]:
    """Return what stands below each field of a section in the source.

    Not by pydantic's `use_attribute_docstrings`, which reads the source at every start: 20 ms.
    """
    found = {}
    for pair in pairwise(ast.parse(dedent(inspect.getsource(model))).body[0].body):  # type: ignore[attr-defined]
        match pair:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(said))),
            ):
                found[name] = said
            case _:
                pass
    return found


def _keys(model: type[BaseModel], above: tuple[str, ...] = (), before: str = "") -> Iterator[Key]:
    for name, field in model.model_fields.items():
        section = _section(field.annotation)
        keys = tuple(section.model_fields) if section else ()
        key = Key((*above, name), f"{before}{name}", model, field, keys)
        yield key
        if section:
            behind = f"{key.dotted}{'[]' if key.is_list else ''}."
            yield from _keys(section, key.path, behind)


def _section(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401 -- whatever a field is annotated with
    candidates = (annotation, *get_args(annotation))
    return next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)


KEYS: Mapping[tuple[str, ...], Key] = {key.path: key for key in _keys(Settings)}
"""Every key of the tree, in its order."""

FLAGS: Mapping[str, Key] = {
    key.dotted.replace("_", "-"): key
    for key in KEYS.values()
    if not key.in_list and (key.is_list or not key.keys)
}
"""Every key that can be a flag, or a variable, by the flag's name."""


def named(path: Path) -> tuple[str, ...]:
    """Return the keys of a place, without the positions in lists."""
    return tuple(step for step in path if isinstance(step, str))


def may_hold_secret(path: Path) -> bool:
    """Return whether what stands at a place, of whatever type, must not be shown."""
    place = named(path)
    return any(key.is_secret and key.path[: len(place)] == place for key in KEYS.values())


@lru_cache(maxsize=1024)  # The same one may stand in each of many accounts.
def nearest_key(written: tuple[str, ...]) -> Key | None:
    """Return the known key most like a wrong one, if any is like it."""
    # A section's name is no help to who knows one.
    depth = min(len(written), 2)
    known = {".".join(path): key for path, key in KEYS.items() if len(path) >= depth}
    return known.get(nearest(".".join(written), known))
