"""What a person at a terminal sees beside the output: progress.

Nothing of it in files and pipes, nor on a terminal that cannot move its cursor.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import TextIO, cast

from exporter.visible import visible_lines

Tell = Callable[[int, int | None], object]
"""Takes how many are done, and of how many; None while that is unknown."""


@contextlib.contextmanager
def progress(
    what: str, stream: TextIO, environ: Mapping[str, str]
) -> Iterator[tuple[Tell, TextIO]]:
    """Show a bar until the block ends, and leave no trace of it.

    Gives what takes the progress, and the stream for lines that are to stay, above the bar.
    """
    if not stream.isatty() or environ.get("TERM", "dumb") == "dumb":
        yield (lambda *_: None), stream
        return
    # Only where it shows something: it would make every start longer.
    from rich import console, file_proxy  # noqa: PLC0415 -- as said above
    from rich import progress as bars  # noqa: PLC0415 -- likewise

    # As wide as it is: a terminal wraps long lines itself, and joins them when they are copied.
    screen = console.Console(file=stream, soft_wrap=True, markup=False, highlight=False)
    columns = (bars.TextColumn("{task.description}"), bars.BarColumn(), bars.MofNCompleteColumn())
    with bars.Progress(
        *columns, console=screen, transient=True, redirect_stdout=False, redirect_stderr=False
    ) as bar:
        task = bar.add_task(what, total=None)
        above = cast("TextIO", file_proxy.FileProxy(screen, stream))
        yield (lambda done, total: bar.update(task, completed=done, total=total)), above


def as_seen(text: str, stream: TextIO) -> str:
    """Return a text as a stream may have it: a terminal obeys what a file only keeps."""
    return visible_lines(text) if stream.isatty() else text
