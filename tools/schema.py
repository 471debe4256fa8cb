"""Puts the settings into a chart's values schema: `python -m tools.schema FILE...`.

A chart's value `config` is the configuration file, so Helm can refuse what the exporter would.
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from exporter.settings import Settings
from exporter.settings.keys import KEYS

_KEY = "config"
_ROOT = "Settings"


def settings_schema() -> dict[str, Any]:
    """Return the JSON schema of the settings, with what is said of each key.

    Defaults stand there as they are written here: a duration as 5m, not as PT5M.
    """
    schema = Settings.model_json_schema()
    sections = schema["$defs"] | {_ROOT: schema}
    for key in KEYS.values():
        described = sections[key.section.__name__]["properties"][key.path[-1]]
        if "$ref" in described:
            described.pop("default", None)
        else:
            described["description"] = key.description
        if "default" in described:
            described["default"] = key.default
    return schema


def definitions() -> dict[str, Any]:
    """Return the JSON schemas of the file's sections by name, and of its whole as `Settings`.

    Without the section `config`: it says where the file is, and cannot stand in it.
    """
    schema = settings_schema()
    sections = schema.pop("$defs")
    own = schema["properties"].pop("config")["$ref"].rpartition("/")[2]
    named = {name: sections[name] for name in sorted(sections) if name != own} | {_ROOT: schema}
    for section in named.values():
        for key, value in section.get("properties", {}).items():
            if key not in section.get("required", ()):
                _may_be_empty(value, sections)
    return named


def _may_be_empty(value: dict[str, Any], sections: dict[str, Any]) -> None:
    """Let a key have nothing behind it, which the exporter takes for its default."""
    # What stands beside a reference is not read.
    value = sections[value["$ref"].rpartition("/")[2]] if "$ref" in value else value
    if isinstance(value.get("type"), str):
        value["type"] = [value["type"], "null"]
    if "enum" in value and None not in value["enum"]:
        value["enum"] = [*value["enum"], None]
    if "anyOf" in value and {"type": "null"} not in value["anyOf"]:
        value["anyOf"] = [*value["anyOf"], {"type": "null"}]


def written(text: str) -> str:
    """Return a values schema with its part about the settings made anew, and all else as it was.

    Definitions of the chart's own have names that begin in lower case.
    """
    schema = json.loads(text)
    own = {name: what for name, what in schema.get("$defs", {}).items() if name[0].islower()}
    schema["properties"][_KEY] = {"$ref": f"#/$defs/{_ROOT}"}
    schema["$defs"] = own | definitions()
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def main(paths: Iterable[str]) -> None:
    """Write the files anew."""
    for path in map(Path, paths):
        path.write_text(written(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
