"""Every key of the tree of settings, made from its models; and the nearest to a wrong one."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache
from typing import Any, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from exporter.nearest import similarity
from exporter.settings.tree import Settings

Path = tuple[str | int, ...]
"""A place in the tree: keys, and positions in lists."""

_ELSEWHERE = 0.9
"""What a likeness counts where the key belongs to another section."""

_SAME_WORDS, _BEGUN = 1.0, 0.95
"""The likeness of a name cut into sections elsewhere, and of one whose first words stand alone."""

_ALIKE = 0.8
"""The likeness from which on a name of another section is taken for what was meant."""

_UNLIKE = 0.01
"""The likeness of a name that has nothing in common but its section."""

_PLAIN = re.compile(r"[\w-]+")


class Kind(Enum):
    """What stands behind a key."""

    VALUE = "value"
    LIST = "list"
    SECTION = "section"
    SECTIONS = "list of sections"


@dataclass(frozen=True, slots=True)
class Key:
    """A key; its path leaves positions in lists out."""

    path: tuple[str, ...]
    dotted: str
    """As messages and the documentation name it."""
    kind: Kind
    field: FieldInfo
    keys: tuple[str, ...] = ()
    """The keys of the section behind it."""
    in_list: bool = False


def _keys(
    model: type[BaseModel], above: tuple[str, ...] = (), before: str = "", *, in_list: bool = False
) -> Iterator[Key]:
    for name, field in model.model_fields.items():
        path, text = (*above, name), f"{before}{name}"
        is_list = get_origin(field.annotation) is tuple
        section = _section(field.annotation)
        if section is None:
            yield Key(path, text, Kind.LIST if is_list else Kind.VALUE, field, in_list=in_list)
        else:
            kind = Kind.SECTIONS if is_list else Kind.SECTION
            yield Key(path, text, kind, field, tuple(section.model_fields), in_list)
            behind = f"{text}[]." if is_list else f"{text}."
            yield from _keys(section, path, behind, in_list=in_list or is_list)


def _section(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401 -- whatever a field is annotated with
    candidates = (annotation, *get_args(annotation))
    return next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)


KEYS: Mapping[tuple[str, ...], Key] = {key.path: key for key in _keys(Settings)}
"""Every key of the tree, in its order."""


_SECRETS = frozenset(
    path
    for path, key in KEYS.items()
    if SecretStr in {key.field.annotation, *get_args(key.field.annotation)}
)


def key_at(path: Path) -> Key | None:
    """Give the key at a place; None where there is none."""
    return KEYS.get(named(path))


def may_hold_secret(path: Path) -> bool:
    """Tell whether what stands at a place, of whatever type, must not be shown."""
    place = named(path)
    return any(secret[: len(place)] == place for secret in _SECRETS)


def nearest_key(path: Path) -> Key:
    """Give the known key that a wrong one most likely means: in its section, or in any other."""
    written = named(path)
    best = _most_alike(written)
    if best.path[:-1] != written[:-1]:
        return best
    return replace(best, dotted=dotted((*path[:-1], best.path[-1])))


@lru_cache(maxsize=1024)
def _most_alike(written: tuple[str, ...]) -> Key:
    """Give the known key most like a wrong one, which may stand in each of many accounts."""
    return max(KEYS.values(), key=lambda key: _likeness(written, key.path))


def dotted(path: Path) -> str:
    """Name a place on one line, like aws.accounts[0].id."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{_word(step)}" for step in path)
    return text.removeprefix(".")


def _word(step: str) -> str:
    return step if _PLAIN.fullmatch(step) else json.dumps(step)


def named(path: Path) -> tuple[str, ...]:
    """Give the keys of a place, without the positions in lists."""
    return tuple(step for step in path if isinstance(step, str))


def _likeness(written: tuple[str, ...], known: tuple[str, ...]) -> float:
    section = written[:-1]
    if "_".join(written) == "_".join(known):
        # The same words, with a dot for an underscore or the other way about.
        return _SAME_WORDS
    by_name = similarity(written[-1], known[-1])
    if section == known[:-1]:
        begun = known[-1].startswith(f"{written[-1]}_")
        return max(by_name, _BEGUN if begun else _UNLIKE)
    in_full = 0.0
    if not section or section not in KEYS or not KEYS[section].keys:
        # Nothing stands beside it, or only sections: dots may be missing, as in poll_interval.
        in_full = similarity(".".join(written), ".".join(known))
    return _ELSEWHERE * max(by_name if by_name >= _ALIKE else 0.0, in_full)
