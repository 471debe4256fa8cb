"""The leaves of the tree of settings, as flags: names, kinds, defaults and help."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from exporter import durations
from exporter.settings.tree import Organization, Settings

_OPTIONAL_SECTIONS: Mapping[str, type[BaseModel]] = {"organization": Organization}


@dataclass(frozen=True, slots=True)
class Flag:
    """One setting as a flag; `default` is empty where there is none to show."""

    name: str
    kind: str
    default: str
    help: str
    is_switch: bool


@cache
def flags() -> tuple[Flag, ...]:
    """Give every setting, in the order of the tree."""
    return tuple(_leaves(Settings, ""))


def _leaves(model: type[BaseModel], prefix: str) -> Iterator[Flag]:
    for name, info in model.model_fields.items():
        dotted = f"{prefix}{name}"
        section = section_of(name, info)
        if section is not None:
            yield from _leaves(section, f"{dotted}.")
        else:
            yield Flag(
                dotted.replace("_", "-"),
                _kind(info),
                _shown(info.get_default()),
                info.description or "",
                info.annotation is bool,
            )


def section_of(name: str, info: FieldInfo) -> type[BaseModel] | None:
    """Give the model of a branch; None for a leaf."""
    annotation = info.annotation
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return _OPTIONAL_SECTIONS.get(name)


def _kind(info: FieldInfo) -> str:
    annotation = str(info.annotation)
    if "timedelta" in annotation:
        return "DURATION,..." if "tuple" in annotation else "DURATION"
    if "AccountSettings" in annotation:
        return "JSON"
    if "tuple" in annotation:
        return "ITEM,..."
    if info.annotation is int:
        return "NUMBER"
    return "BOOL" if info.annotation is bool else "TEXT"


def _shown(default: Any) -> str:  # noqa: ANN401 -- a default of any setting
    if isinstance(default, timedelta):
        return durations.render(default) if default else ""
    if isinstance(default, tuple):
        return ",".join(_shown(item) for item in default)
    if isinstance(default, bool):
        return str(default).lower()
    return str(default) if isinstance(default, str | int) else ""
