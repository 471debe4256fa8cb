"""Whatever is written, loading gives settings or lines for people: never a traceback."""

import json
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.settings import ConfigurationError, load
from exporter.settings.keys import FLAGS, KEYS
from exporter.settings.yaml import write_yaml


def said(given_flags: dict[str, str], environ: dict[str, str]) -> None:
    """Load; if that is refused, then in single lines that begin with a key."""
    lines: tuple[str, ...] = ("nothing: is wrong",)
    try:
        load(given_flags.items(), environ, region="eu-west-1")
    except ConfigurationError as error:
        lines = error.lines
    assert lines
    assert all(": " in line and "\n" not in line for line in lines)


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
