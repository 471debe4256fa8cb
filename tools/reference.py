"""Makes the documentation's reference from the code: `python -m tools.reference FILE...`.

Each part stands between a pair of comments that name it, and is written anew there.
"""

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from exporter.commands.descriptions import COMMANDS
from exporter.commands.parser import default_of, parser_of
from exporter.error_codes import ERRORS
from exporter.exposition.families import METRICS, TARGET_LABELS
from exporter.settings.keys import FLAGS

_TABLE = re.compile(
    r"(<!-- (?P<name>[\w-]+): made by `make docs` -->\n).*?(<!-- end -->)", re.DOTALL
)


def written(text: str) -> str:
    """Return a document with its tables made anew; raises KeyError for one that nobody makes."""
    return _TABLE.sub(lambda found: f"{found[1]}\n{TABLES[found['name']]()}\n{found[3]}", text)


def metrics_table() -> str:
    """Return every metric family; `T` stands for the labels of a target."""
    return _table(
        ("metric", "type", "labels", "meaning"),
        (
            (f"`{family.name}`", family.kind, _labels(family.labels), family.help)
            for family in METRICS
        ),
    )


def errors_table() -> str:
    """Return every error code with what to do about it."""
    return _table(
        ("`error_code`", "polled again", "what to do"),
        (
            (
                f"`{kind.code}`",
                kind.retry.value,
                kind.hint.replace("SERVICE", "the service").replace("|", "\\|"),
            )
            for kind in ERRORS.values()
        ),
    )


def settings_table() -> str:
    """Return every setting with its default."""
    return _table(
        ("key", "default", "meaning"),
        (
            (
                f"`{key.dotted}`",
                f"`{default_of(key)}`" if default_of(key) else "",
                key.description,
            )
            for key in FLAGS.values()
        ),
    )


def manual() -> str:
    """Return the help of the program and of each of its commands."""
    pages = {"All commands": "", **{name: name for name in COMMANDS}}
    return "\n".join(
        f"## {title}\n\n```text\n{parser_of(name).format_help()}```\n"
        for title, name in pages.items()
    )


TABLES: Mapping[str, Callable[[], str]] = {
    "metrics": metrics_table,
    "errors": errors_table,
    "settings": settings_table,
    "cli": manual,
}


def main(paths: Iterable[str]) -> None:
    """Write the tables of files anew."""
    for path in map(Path, paths):
        path.write_text(written(path.read_text(encoding="utf-8")), encoding="utf-8")


def _labels(labels: tuple[str, ...]) -> str:
    own = [f"`{label}`" for label in labels if label not in TARGET_LABELS]
    target = ["T"] if set(TARGET_LABELS) <= set(labels) else []
    lone = [f"`{label}`" for label in labels if label in TARGET_LABELS] if not target else []
    return ", ".join([*target, *lone, *own])


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    main(sys.argv[1:])
