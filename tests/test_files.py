"""Files as they may be found: none, a folder, a pipe, or written to at this very moment."""

import contextlib
import os
import threading
from pathlib import Path

import pytest

from exporter.files import Files, read_whole, settled

FIFO = "not a file: what comes through a pipe is there once"


def test_a_file_is_read_up_to_the_very_limit(tmp_path: Path) -> None:
    """Whole, in as many pieces as it takes; an empty one is empty."""
    path = tmp_path / "file"
    for content in (b"", b"x" * 300_000):
        path.write_bytes(content)
        assert read_whole(path, 300_000) == content


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("none", "No such file or directory"),
        (".", "Is a directory"),
        ("large", "larger than 2 KiB"),
        ("/dev/zero", "larger than 2 KiB"),
    ],
)
def test_what_is_no_file_is_an_error(tmp_path: Path, name: str, reason: str) -> None:
    """The reason is what people are shown. Nothing stays open: it may be tried again for days."""
    (tmp_path / "large").write_bytes(b"x" * 2049)
    before = set(Path("/proc/self/fd").iterdir())
    with pytest.raises(OSError, match=reason) as caught:
        read_whole(tmp_path / name, 2048)
    assert caught.value.strerror == reason
    assert set(Path("/proc/self/fd").iterdir()) <= before


def test_a_pipe_is_waited_for_but_not_for_ever(tmp_path: Path) -> None:
    """Who writes to it begins when it likes, as a shell's `<(...)` does; perhaps it never ends."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(TimeoutError, match=r"it did not end within 0\.1 s"):
        read_whole(pipe, 100, patience=0.1)
    thread = threading.Thread(target=pipe.write_bytes, args=(b"poll: {}",))
    thread.start()
    assert read_whole(pipe, 100) == b"poll: {}"
    thread.join()


def read_settled(path: Path, *writes: bytes, age: float = 0.0) -> tuple[bytes, int]:
    """Read a file of some age that is written to in each wait; return how many those were too."""
    written, waits, to_come = path.stat().st_ctime, list[float](), iter(writes)

    def wait(seconds: float) -> None:
        waits.append(seconds)
        for content in to_come:
            path.write_bytes(content)
            break

    read, _ = settled(lambda files: files(path), 1000, lambda: written + age, wait)
    return read, len(waits)


@pytest.mark.parametrize(
    ("age", "writes", "read", "waits"),
    [
        pytest.param(0.0, [], b"half", 1, id="it may be half of one"),
        pytest.param(61.0, [], b"half", 0, id="nobody has written to it for a minute"),
        pytest.param(-1000.0, [], b"half", 1, id="its clock is ahead"),
        pytest.param(0.0, [b"half of", b"it"], b"it", 3, id="it is written to meanwhile"),
    ],
)
def test_a_file_is_read_once_it_has_settled(
    tmp_path: Path, age: float, writes: list[bytes], read: bytes, waits: int
) -> None:
    """Nobody has written to it for a while, or it is as old as no two clocks differ."""
    path = tmp_path / "file"
    path.write_bytes(b"half")
    assert read_settled(path, *writes, age=age) == (read, waits)


def test_an_old_file_that_is_written_to_while_it_is_read_is_read_again(tmp_path: Path) -> None:
    """Its date had been looked at before."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    newer = iter([b"newer"])

    def reading(files: Files) -> bytes:
        read = files(path)
        for content in newer:
            path.write_bytes(content)
        return read

    later = path.stat().st_ctime + 3600
    assert settled(reading, 1000, lambda: later)[0] == b"newer"


def test_a_file_that_is_written_to_on_end_is_an_error(tmp_path: Path) -> None:
    """After ten seconds, instead of for ever; the reason is what people are shown."""
    path = tmp_path / "file"
    path.write_bytes(b"")
    with pytest.raises(TimeoutError, match="it was written to for 10 s on end"):
        read_settled(path, *(b"x" * size for size in range(1, 9)))


def test_a_change_is_noticed(tmp_path: Path) -> None:
    """To be written to, to be another file, to come and to go are changes; a pipe is no file.

    So is a link that leads elsewhere, though to a file of the same size and times: as a mounted
    secret's, whose files all come of one checkout.
    """
    path, other, none, alike, link = (
        tmp_path / name for name in ("file", "other", "none", "alike", "link")
    )

    def lead_elsewhere() -> None:
        link.unlink()
        link.symlink_to(alike)

    for changed, change in (
        (path, lambda: path.write_bytes(b"longer")),
        (path, lambda: other.replace(path)),
        (path, path.unlink),
        (none, none.touch),
        (link, lead_elsewhere),
    ):
        path.write_bytes(b"one")
        other.write_bytes(b"other")
        alike.unlink(missing_ok=True)
        alike.hardlink_to(path)
        link.unlink(missing_ok=True)
        link.symlink_to(path)
        files = Files(1000)
        with contextlib.suppress(FileNotFoundError):
            files(changed)
        assert not files.changed()
        change()
        assert files.changed()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match=FIFO):
        Files(1000)(tmp_path / "pipe")
