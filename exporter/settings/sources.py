"""What file, environment and flags say together: one tree of text, and which of them said what."""

from dataclasses import dataclass, field

from exporter.settings.errors import Path, Problem
from exporter.settings.keys import KEYS, nearest_key
from exporter.settings.yaml import Tree

PREFIX = "MACIE_EXPORTER_"
"""Of the environment variables that are settings."""


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


def unknown_key(path: Path, origin: str) -> Problem:
    """Say that there is no such key, and which one may be meant."""
    best = nearest_key(path)
    name = best.dotted
    if origin.startswith(PREFIX) and not best.in_list:
        name += f" ({PREFIX}{'__'.join(best.path).upper()})"
    return Problem(path, f"unknown key; the nearest known key is {name}", origin=origin)
