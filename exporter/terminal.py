"""What a person at a terminal sees beside the output: progress and colours.

Nothing of it in files and pipes, nor on a terminal that cannot move its cursor. rich is imported
where something is shown, and only there: it would make every start longer.
"""

import contextlib
import io
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, TextIO, cast

from exporter.visible import visible_lines

if TYPE_CHECKING:
    from rich.console import Console

Tell = Callable[[int, int | None], object]
"""Takes how many are done, and of how many; None while that is unknown."""

_STYLES: Mapping[str, str] = {
    r"(?m)^ok\b": "green",
    r"(?m)^FAIL\b": "bold red",
    r"(?m)^What to do:$": "bold",
    r"(?m)^Everything works\.$": "green",
}
"""What of a report is coloured."""


@contextlib.contextmanager
def progress(
    what: str, stream: TextIO, environ: Mapping[str, str]
) -> Iterator[tuple[Tell, TextIO]]:
    """Show a bar until the block ends, and leave no trace of it.

    Gives what takes the progress, and the stream for lines that are to stay, above the bar.
    """
    if not _is_lively(stream, environ):
        yield (lambda *_: None), stream
        return
    from rich import progress as bars  # noqa: PLC0415 -- as said above

    console = _console(stream, environ)
    columns = (bars.TextColumn("{task.description}"), bars.BarColumn(), bars.MofNCompleteColumn())
    with bars.Progress(
        *columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False
    ) as bar:
        task = bar.add_task(what, total=None)
        above = cast("TextIO", _Above(console))
        yield (lambda done, total: bar.update(task, completed=done, total=total)), above


def write(text: str, stream: TextIO, environ: Mapping[str, str]) -> None:
    """Write a report, in colours where they can be seen and are wanted (no-color.org)."""
    if not _is_lively(stream, environ) or environ.get("NO_COLOR"):
        stream.write(text)
        return
    from rich.text import Text  # noqa: PLC0415 -- as said above

    coloured = Text(text)
    for pattern, style in _STYLES.items():
        coloured.highlight_regex(pattern, style)
    _console(stream, environ).print(coloured, end="", soft_wrap=True)


def as_seen(text: str, stream: TextIO) -> str:
    """Return a text as a stream may have it: a terminal obeys what a file only keeps."""
    return visible_lines(text) if stream.isatty() else text


class _Above(io.TextIOBase):
    """Writes lines above a bar, whole: a terminal wraps them, and joins them when they are copied.

    What cannot be written is the caller's to know, as with any stream.
    """

    def __init__(self, console: "Console") -> None:
        self._console = console

    def write(self, text: str) -> int:
        from rich.text import Text  # noqa: PLC0415 -- as said above

        self._console.print(Text(text), end="", soft_wrap=True)
        return len(text)


def _is_lively(stream: TextIO, environ: Mapping[str, str]) -> bool:
    return stream.isatty() and environ.get("TERM", "dumb") != "dumb"


def _console(stream: TextIO, environ: Mapping[str, str]) -> "Console":
    from rich.console import Console  # noqa: PLC0415 -- as said above

    no_color = bool(environ.get("NO_COLOR"))
    return Console(file=stream, force_terminal=True, force_interactive=True, no_color=no_color)
