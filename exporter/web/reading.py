"""Reads a web file: its values, or everything that is wrong, worded for who wrote it."""

import re
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from exporter.nearest import nearest
from exporter.settings.errors import ConfigurationError, Path, Problem, message, show
from exporter.settings.yaml import read_yaml
from exporter.web.checks import beyond_types, contradictions
from exporter.web.file import Read, WebFile


def read_web_file(path: str, read: Read) -> tuple[WebFile, list[Problem]]:
    """Read the file; give its values and what is wrong between them, which concerns TLS alone.

    Raises ConfigurationError where there are no values: with everything that is wrong.
    """
    written = _document(path, read)
    odd = list(beyond_types(written, path))
    try:
        file = WebFile.model_validate(written)
    except ValidationError as error:
        # Not from the error: it holds every value, secrets included.
        raise ConfigurationError(map(str, [*_refused(error, path), *odd])) from None
    return file, [*odd, *contradictions(file, path)]


def _document(path: str, read: Read) -> dict[str, Any]:
    try:
        content = read_yaml(read(FilePath(path)).decode())
    except OSError as error:
        raise unusable(path, f"cannot read it: {error.strerror}") from None
    except UnicodeDecodeError:
        raise unusable(path, "not UTF-8 text") from None
    except ValueError as error:
        # Only where it is wrong: what stands there may be part of a secret.
        where = re.search(r"\(line [0-9]+, column [0-9]+\)$", str(error))
        raise unusable(path, f"not YAML {where[0] if where else ''}".rstrip()) from None
    if content is None:
        # Perhaps it was cut off. To believe it would let everybody in.
        raise unusable(path, "says nothing; to have no rules, write {}")
    if not isinstance(content, dict):
        raise unusable(path, f"not a mapping with the keys {', '.join(WebFile.model_fields)}")
    return content


def unusable(path: str, message: str) -> ConfigurationError:
    """Give the error that a web file as a whole is."""
    return ConfigurationError([str(Problem(("web", "config_file"), message, show(path)))])


def _refused(error: ValidationError, origin: str) -> Iterator[Problem]:
    for detail in error.errors(include_url=False):
        path: Path = detail["loc"]
        shown = "" if _is_hidden(path, detail) else show(detail["input"])
        yield Problem(path, _message(detail, path), shown, origin)


def _is_hidden(path: Path, detail: ErrorDetails) -> bool:
    """Tell whether a value must not be shown; of a section nothing is, nor of an unknown key.

    Nor where there is none.
    """
    return (
        detail["type"] == "extra_forbidden"
        or detail["input"] is None
        or len(path) == 1
        or path[0] == "basic_auth_users"
        or path[-1] in {"key", "cert", "client_ca"}
    )


def _message(detail: ErrorDetails, path: Path) -> str:
    if detail["input"] is None:
        return "has nothing behind it: give it a value ({} is an empty section), or leave it out"
    if detail["type"] == "extra_forbidden":
        return f"unknown key; the nearest known key is {_nearest_key(path)}"
    section = WebFile.SECTIONS.get(str(path[0]), WebFile)
    return message(detail, section.model_fields)


def _nearest_key(path: Path) -> str:
    section = WebFile.SECTIONS.get(str(path[0]), WebFile) if len(path) > 1 else WebFile
    known = [".".join([*map(str, path[:-1]), name]) for name in section.model_fields]
    if len(path) == 1:
        known += [f"{name}.{key}" for name, s in WebFile.SECTIONS.items() for key in s.model_fields]
    return nearest(".".join(map(str, path)), known)
