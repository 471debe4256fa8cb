"""Makes the table of values in the chart's README: `python -m tools.values_table`.

A value is described by the comment above its key that begins with `# -- `. A key whose parts are
described has none of its own; one that is described is a row, with all that is below it.
"""

import itertools
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

CHART = Path(__file__).parents[1] / "helm" / "macie-invitations-exporter"
_TABLE = re.compile(r"(<!-- values: made by `make docs` -->\n).*?(<!-- end -->)", re.DOTALL)
_MARK = "-- "


def written(readme: str, values: str) -> str:
    """Return the README with its table made anew."""
    head = "| key | default | meaning |\n| --- | --- | --- |\n"
    rows = "".join(
        f"| `{key}` | `{default}` | {meaning} |\n" for key, default, meaning in described(values)
    )
    return _TABLE.sub(lambda found: f"{found[1]}\n{head}{rows}\n{found[2]}", readme)


def described(values: str) -> Iterator[tuple[str, str, str]]:
    """Yield every value's key, default and meaning; raises KeyError for one without a meaning."""
    for root in yaml.compose_all(values, yaml.SafeLoader):
        yield from _rows(root, "", values.splitlines())


def _rows(parent: yaml.Node, above: str, lines: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    for key, value in parent.value:
        path = f"{above}{key.value}"
        if meaning := _comment(lines, key.start_mark):
            default = json.dumps(yaml.safe_load(yaml.serialize(value)), ensure_ascii=False)
            yield path, default, meaning.replace("|", "\\|")
        elif isinstance(value, yaml.MappingNode) and value.value:
            yield from _rows(value, f"{path}.", lines)
        else:
            raise KeyError(f"{path}: no comment that begins with `# {_MARK}` above it")


def _comment(lines: Sequence[str], mark: yaml.Mark) -> str:
    margin = " " * mark.column + "# "
    above = itertools.takewhile(lambda line: line.startswith(margin), lines[mark.line - 1 :: -1])
    text = " ".join(line.removeprefix(margin) for line in [*above][::-1])
    return text.removeprefix(_MARK) if text.startswith(_MARK) else ""


def main() -> None:
    """Write the table of the chart's README anew."""
    readme = CHART / "README.md"
    readme.write_text(written(readme.read_text(), (CHART / "values.yaml").read_text()))


if __name__ == "__main__":
    main()
