"""Any file as the configuration: settings, or lines for people that each begin with a key."""

import re
import tempfile
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path

from exporter.settings import ConfigurationError, load
from exporter.settings.keys import KEYS
from tests.fuzz.engine import Case, Target

_CORPUS = Path(__file__).parent.parent / "settings" / "corpus"


def _refused(path: Path) -> tuple[str, ...]:
    """Load a file; give why it was refused, nothing if it was not."""
    try:
        load([("config.file", str(path))], {}, "eu-west-1")
    except ConfigurationError as error:
        return error.lines or ("refused without a reason",)
    return ()


@contextmanager
def _files() -> Iterator[Case]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "exporter.yaml"

        def case(data: bytes) -> Hashable:
            path.write_bytes(data)
            lines = _refused(path)
            assert all(": " in line and "\n" not in line for line in lines), lines
            return re.sub(r"'.*'|\".*\"|\d+", "", "".join(lines[:1]).replace(folder, ""))[:60]

        yield case


_WORDS = (
    *(b": ", b"- ", b"\n", b"  ", b"&a ", b"<<: ", b"!!int ", b"!x ", b"|\n", b">\n"),
    *(b"---\n", b"...\n", b"\t", b"\x00", b"\xff", b"\xef\xbb\xbf"),
    *b"{ } [ ] *a ' \" # auto 5m 1d 012345678901 eu-west-1 null true .inf 1_000".split(),
    *(name.encode() for name in sorted({name for path in KEYS for name in path})),
)

TARGETS = (
    Target(
        "configuration",
        160,
        tuple(path.read_bytes() for path in sorted(_CORPUS.glob("*.yaml"))),
        _WORDS,
        _files,
    ),
)
