"""From layers to the tree of settings, or to every reason why not, at once."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from exporter.model import MACIE_REGIONS
from exporter.nearest import nearest
from exporter.settings.fields import AUTO, as_json
from exporter.settings.sources import (
    Layer,
    Problem,
    Tree,
    environment_layer,
    file_layer,
    flags_layer,
)
from exporter.settings.tree import AccountSettings, Organization, Settings

Path = tuple[str | int, ...]
_SECRETS = frozenset({"external_id"})


class ConfigurationError(Exception):
    """The configuration is wrong; `lines` says each thing that is, one per line."""

    def __init__(self, lines: Sequence[str]) -> None:
        """Take the lines, ready to be shown."""
        super().__init__("\n".join(lines))
        self.lines = tuple(lines)


def load(flags: Iterable[tuple[str, str]], environ: Mapping[str, str]) -> Settings:
    """Load the settings: flags over environment over file over defaults.

    Raises ConfigurationError with everything that is wrong.
    """
    layers = [flags_layer(flags), environment_layer(environ)]
    path = _config_file(layers)
    if path:
        layers.append(file_layer(path))
    problems = [problem for layer in layers for problem in layer.problems]
    try:
        settings = _merge(layers)
    except ValidationError as error:
        problems += _validation_problems(error)
        problems += _region_problems(layers)
    else:
        problems += _region_problems(layers)
        if not problems:
            return _with_shard(settings, environ)
    raise ConfigurationError([_line(problem, layers) for problem in problems])


def _config_file(layers: Sequence[Layer]) -> str:
    for layer in layers:
        section = layer.tree.get("config")
        if isinstance(section, dict) and isinstance(section.get("file"), str):
            return str(section["file"])
    return ""


class _LayerSource(PydanticBaseSettingsSource):
    """Hands a layer to pydantic-settings, which merges them by their order."""

    def __init__(self, settings_cls: type[BaseSettings], tree: Tree) -> None:
        super().__init__(settings_cls)
        self._tree = tree

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        del field
        return self._tree.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        return self._tree


def _merge(layers: Sequence[Layer]) -> Settings:
    class Layered(Settings):
        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], **_: PydanticBaseSettingsSource
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return tuple(_LayerSource(settings_cls, layer.tree) for layer in layers)

    return Layered()


def _with_shard(settings: Settings, environ: Mapping[str, str]) -> Settings:
    """Settle the shard's index.

    Raises ConfigurationError where it cannot be known or lies outside the total.
    """
    index, total = settings.shard.index, settings.shard.total
    if index == AUTO:
        ordinal = environ.get("POD_NAME", "").rpartition("-")[2]
        if not ordinal.isdecimal():
            pod = environ.get("POD_NAME", "")
            message = f"shard.index: auto needs a pod name that ends in its ordinal; POD_NAME is {pod!r}"
            raise ConfigurationError([message])
        index = int(ordinal)
    if not 0 <= int(index) < total:
        message = f"shard.index: {index} is outside of shard.total {total}: it must be 0 to {total - 1}"
        raise ConfigurationError([message])
    return settings.model_copy(
        update={"shard": settings.shard.model_copy(update={"index": int(index)})}
    )


def _validation_problems(error: ValidationError) -> Iterator[Problem]:
    for detail in error.errors(include_url=False):
        path = tuple(step for step in detail["loc"] if not _is_union_branch(step))
        if detail["type"] == "extra_forbidden":
            yield Problem(path, _unknown_key(path))
        elif detail["type"] == "missing":
            yield Problem(path, "is required")
        else:
            yield Problem(path, _wording(detail["msg"]), detail["input"], has_value=True)


def _is_union_branch(step: str | int) -> bool:
    """Tell pydantic's names of union members from keys: only they hold brackets or are types."""
    return isinstance(step, str) and ("[" in step or step in {"int", "str"})


def _wording(message: str) -> str:
    text = message.removeprefix("Value error, ")
    return text[:1].lower() + text[1:]


def _unknown_key(path: Path) -> str:
    known = _keys_beside(path)
    written = str(path[-1])
    everywhere = {name: dotted for dotted in _all_keys(Settings) for name in (dotted.split(".")[-1],)}
    best = nearest(written, known)
    elsewhere = everywhere.get(written)
    return f"unknown key; the nearest known key is {elsewhere or _dotted((*path[:-1], best))}"


def _keys_beside(path: Path) -> list[str]:
    model: Any = Settings
    for step in path[:-1]:
        if isinstance(step, str):
            model = _section_of(model, step)
    return list(model.model_fields)


def _section_of(model: type[BaseModel], name: str) -> type[BaseModel]:
    """Give the model behind a key; lists and options are seen through."""
    special: dict[str, type[BaseModel]] = {
        "accounts": AccountSettings,
        "organization": Organization,
    }
    annotation = model.model_fields[name].annotation
    return special.get(name) or annotation  # type: ignore[return-value]


def _all_keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, info in model.model_fields.items():
        dotted = f"{prefix}{name}"
        yield dotted
        section = _section_of(model, name)
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            yield from _all_keys(section, f"{dotted}.")


def _region_problems(layers: Sequence[Layer]) -> Iterator[Problem]:
    """Look for unknown regions in what was written, so that they show beside all other errors."""
    aws = [layer.tree.get("aws") for layer in layers]
    sections = [section for section in aws if isinstance(section, dict)]
    allowed = next((s["allow_unknown_regions"] for s in sections if "allow_unknown_regions" in s), False)
    if str(allowed).lower() in {"true", "1", "yes", "on"}:
        return
    for section in sections:
        yield from _unknown_regions(("aws", "regions"), section.get("regions"))
        accounts = section.get("accounts")
        for index, account in enumerate(accounts if isinstance(accounts, list) else ()):
            if isinstance(account, dict):
                where = ("aws", "accounts", index, "regions")
                yield from _unknown_regions(where, account.get("regions"))


def _unknown_regions(path: Path, written: object) -> Iterator[Problem]:
    regions = [part.strip() for part in written.split(",")] if isinstance(written, str) else written
    if regions == [AUTO] or not isinstance(regions, list):
        return
    for index, region in enumerate(regions):
        if isinstance(region, str) and region and region not in MACIE_REGIONS:
            yield Problem(
                (*path, index),
                f"not a region with Macie; the nearest is {nearest(region, MACIE_REGIONS)} "
                "(if AWS opened it since this release, set aws.allow_unknown_regions: true)",
                region,
                has_value=True,
            )


def _line(problem: Problem, layers: Sequence[Layer]) -> str:
    dotted = _dotted(problem.path)
    origin = next((found for layer in layers if (found := layer.origin(problem.path))), None)
    secret = not _SECRETS.isdisjoint(problem.path)
    value = f" {as_json(problem.value)}" if problem.has_value and not secret else ""
    composite = isinstance(problem.value, dict)
    shown = "" if composite else value
    source = f" (from {origin})" if origin else ""
    return f"{dotted}:{shown}{source}: {problem.message}" if shown or source else f"{dotted}: {problem.message}"


def _dotted(path: Path) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")
