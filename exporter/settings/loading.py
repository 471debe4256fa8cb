"""From layers to the tree of settings, or to every reason why not, at once."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource

from exporter.settings import checks, wording
from exporter.settings.fields import AUTO
from exporter.settings.keys import Path
from exporter.settings.sources import (
    Layer,
    Problem,
    environment_layer,
    file_layer,
    flags_layer,
    held,
    pod_layer,
    region_layer,
)
from exporter.settings.tree import Settings
from exporter.settings.written import Tree

_FILE: Path = ("config", "file")
_INDEX: Path = ("shard", "index")
_NO_REGION = Problem(
    ("aws", "regions"), "not set, and the AWS environment names no region: set it, or AWS_REGION"
)


class ConfigurationError(Exception):
    """The configuration is wrong; `lines` says each thing that is, one per line."""

    def __init__(self, lines: Iterable[str]) -> None:
        """Take the lines, ready to be shown."""
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))


def load(
    flags: Iterable[tuple[str, str]],
    environ: Mapping[str, str],
    region: str | None = None,
    *,
    anew: bool = False,
) -> Settings:
    """Load the settings: flags over environment over file over defaults.

    `region` is that of the AWS environment, for accounts without one of their own; empty where it
    names none, which is an error if any account needs it. None leaves such accounts without.
    `anew` says that settings are in force already: then an empty file is an error.

    Raises ConfigurationError with everything that is wrong.
    """
    layers = _layers(flags, environ, anew=anew)
    problems = [problem for layer in layers for problem in layer.problems]
    if region is not None and checks.needs_region(layers):
        layers += [region_layer(region)] if region else []
        # A file that could not be read may well name one.
        is_told = region or any(problem.path == _FILE for problem in problems)
        problems += [] if is_told else [_NO_REGION]
    problems += checks.problems(layers)
    try:
        settings = Settings(_build_sources=(tuple(map(_Source, layers)), {}))
    except ValidationError as error:
        problems += wording.problems(error, layers)
        # Not from the error: it holds every value, secrets included.
        raise ConfigurationError(map(str, problems)) from None
    if problems:
        raise ConfigurationError(map(str, problems))
    return settings


def _layers(
    flags: Iterable[tuple[str, str]], environ: Mapping[str, str], *, anew: bool
) -> list[Layer]:
    """Give every source's layer, the one that comes first in front."""
    layers = [flags_layer(flags), environment_layer(environ)]
    file = held(layers, _FILE)
    if isinstance(file.value, str) and file.value:
        layers.append(file_layer(file.value, file.origin, anew=anew))
    if held(layers, _INDEX).value == AUTO:
        layers.insert(0, pod_layer(environ))
    return layers


class _Source(PydanticBaseSettingsSource):
    """Hands a layer to pydantic-settings, which merges sections in the order of the layers."""

    def __init__(self, layer: Layer) -> None:
        super().__init__(Settings)
        self._tree = layer.tree

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        raise NotImplementedError  # pragma: no cover -- abstract above, and never called

    def __call__(self) -> Tree:
        return self._tree
