"""Whatever is written, loading gives settings or lines for people: never a traceback."""

import json
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.settings import ConfigurationError, load
from exporter.settings.keys import FLAGS, KEYS
from exporter.settings.yaml import write_yaml

NAMES = sorted({name for path in KEYS for name in path})
VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["auto", "5m", "1d", "012345678901", "eu-west-1", "[", "{}", "a,b", "0", "1"])
)
NESTED = st.recursive(
    VALUES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


@st.composite
def files(draw: st.DrawFn) -> dict[str, object]:
    """Draw a file in which much is at its place, and little of it right."""
    tree: dict[str, object] = {}
    for path in draw(st.lists(st.sampled_from(sorted(KEYS)), max_size=6)):
        node = tree
        for step in path[:-1]:
            inner = node.setdefault(step, {})
            node = inner if isinstance(inner, dict) else {}
        node[path[-1]] = draw(NESTED)
    return tree


def said(given_flags: dict[str, str], environ: dict[str, str]) -> None:
    """Load; if that is refused, then in single lines that begin with a key."""
    lines: tuple[str, ...] = ("nothing: is wrong",)
    try:
        load(given_flags.items(), environ, region="eu-west-1")
    except ConfigurationError as error:
        lines = error.lines
    assert lines
    assert all(": " in line and "\n" not in line for line in lines)


@given(files())
def test_any_file_is_loaded_or_refused(tree: dict[str, object]) -> None:
    """Whatever types stand wherever."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".yaml") as file:
        file.write(write_yaml(tree))
        file.flush()
        said({"config.file": file.name}, {})


@given(
    st.dictionaries(st.sampled_from([*FLAGS]) | st.text(), st.text()),
    st.dictionaries(st.sampled_from(sorted(KEYS)), st.text(), max_size=5),
)
def test_any_flags_and_variables(
    given_flags: dict[str, str], variables: dict[tuple[str, ...], str]
) -> None:
    """Whatever text they hold; those of sections included."""
    environ = {
        f"MACIE_EXPORTER_{'__'.join(path).upper()}": text for path, text in variables.items()
    }
    said(given_flags, environ)


_MANY = range(20_000)
_LISTED = [{"id": f"{number:012d}", "name": f"n {number}", "role_name": "r"} for number in _MANY]
FLEETS: Mapping[str, str] = {
    "as YAML": write_yaml({"aws": {"accounts": _LISTED}}),
    "that share what they have in common": "".join(
        [
            "aws:\n  accounts:\n",
            "    - &one {id: '999999999999', name: x, role_name: r, external_id: y}\n",
            *(f"    - {{<<: *one, id: '{number:012d}'}}\n" for number in _MANY),
        ]
    ),
    "with a mistyped key": json.dumps({"aws": {"accounts": [{"nmae": "x"} for _ in _MANY]}}),
}
"""Files of very many accounts."""


@pytest.mark.parametrize("name", FLEETS)
def test_many_accounts_take_no_time(name: str, tmp_path: Path) -> None:
    """Two hundred thousand load in seconds, so these take a fraction of one, tracing aside."""
    path = tmp_path / "exporter.yaml"
    path.write_text(FLEETS[name], encoding="utf-8")
    started = time.process_time()
    said({"config.file": str(path)}, {})
    assert time.process_time() - started < 3.0
