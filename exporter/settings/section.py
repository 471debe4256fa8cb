"""What the sections of the tree have in common, and how they are described to people."""

import ast
import inspect
from collections.abc import Mapping
from functools import cache
from itertools import pairwise
from textwrap import dedent
from typing import Any

from pydantic import BaseModel, ConfigDict


@cache
def docstrings(model: type[BaseModel]) -> Mapping[str, str]:
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
                found[name] = inspect.cleandoc(said)
            case _:
                pass
    return found


def describe(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """Put into a schema what is said of each field, and defaults as they are written here.

    A duration stands there as 5m, not as PT5M.
    """
    written = model.model_construct().model_dump(mode="json")
    said = docstrings(model)
    for name, described in schema["properties"].items():
        if "$ref" in described:
            described.pop("default", None)
            continue
        if name in said:
            described["description"] = said[name]
        if "default" in described:
            described["default"] = written[name]


class Section(BaseModel):
    """A branch of the tree: frozen, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra=describe)
