"""Files as they may be found: none, a folder, a pipe that nobody or somebody slow writes to."""

import contextlib
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.files import Files, read_whole, settled


def test_a_file(tmp_path: Path) -> None:
    """Whole, in as many pieces as it takes, up to the very limit; an empty one is empty."""
    path = tmp_path / "file"
    for content in (b"", b"x" * 300_000):
        path.write_bytes(content)
        assert read_whole(path, 300_000) == content


def test_what_is_no_file_is_an_error_with_its_reason(tmp_path: Path) -> None:
    """The reason is what people are shown."""
    (tmp_path / "large").write_bytes(b"x" * 2049)
    for name, reason in (
        ("none", "No such file or directory"),
        (".", "Is a directory"),
        ("large", "larger than 2 KiB"),
        ("/dev/zero", "larger than 2 KiB"),
    ):
        with pytest.raises(OSError, match=reason) as caught:
            read_whole(tmp_path / name, 2048)
        assert caught.value.strerror == reason


def test_what_cannot_be_read_is_left_open_by_nobody(tmp_path: Path) -> None:
    """A missing file of a mount is a folder there, and may be looked at for days."""
    before = set(Path("/proc/self/fd").iterdir())
    with pytest.raises(IsADirectoryError):
        read_whole(tmp_path, 2048)
    assert set(Path("/proc/self/fd").iterdir()) <= before


def test_a_pipe_is_waited_for_but_not_for_ever(tmp_path: Path) -> None:
    """Who writes to it begins when it likes, as a shell's `<(...)` does; perhaps it never ends."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(TimeoutError) as caught:
        read_whole(pipe, 100, patience=0.1)
    assert caught.value.strerror == "it did not end within 0.1 s"
    thread = threading.Thread(target=pipe.write_bytes, args=(b"poll: {}",))
    thread.start()
    assert read_whole(pipe, 100) == b"poll: {}"
    thread.join()


class Settling:
    """A file that is read once it has settled, and what happens to it in each wait."""

    def __init__(self, path: Path, *meanwhile: Callable[[], object], age: float = 0.0) -> None:
        """Take what is done in each wait, the last of it for ever, and how old the file is."""
        self.path, self.waits, self._age = path, 0, age
        self._meanwhile = meanwhile

    def read(self) -> bytes:
        """Return what is read of it."""
        written = self.path.stat().st_ctime
        return settled(
            lambda files: files(self.path), 1000, lambda: written + self._age, self._wait
        )[0]

    def _wait(self, _: float) -> None:
        self.waits += 1
        if self._meanwhile:
            self._meanwhile[min(self.waits, len(self._meanwhile)) - 1]()


def test_a_young_file_is_read_once_nobody_has_written_to_it_for_a_while(tmp_path: Path) -> None:
    """It may be half of one; one that is a minute old is not, whatever clock it has."""
    path = tmp_path / "file"
    path.write_bytes(b"whole")
    young, old = Settling(path), Settling(path, age=61.0)
    assert (young.read(), young.waits) == (b"whole", 1)
    assert (old.read(), old.waits) == (b"whole", 0)
    ahead = Settling(path, age=-1000.0)
    assert (ahead.read(), ahead.waits) == (b"whole", 1)


def test_an_old_file_that_is_written_to_while_it_is_read_is_read_again(tmp_path: Path) -> None:
    """Its date had been looked at before."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    read = []

    def reading(files: Files) -> bytes:
        files(path)
        path.write_bytes(b"newer")
        read.append(path.read_bytes())
        return files(path) if read[1:] else b"half"

    later = path.stat().st_ctime + 3600
    assert settled(reading, 1000, lambda: later)[0] == b"newer"


def test_a_file_that_is_being_written_is_read_to_its_end(tmp_path: Path) -> None:
    """Each time that it was written to meanwhile it is read again."""
    path = tmp_path / "file"
    path.write_bytes(b"half")
    settling = Settling(
        path, lambda: path.write_bytes(b"half of"), lambda: path.write_bytes(b"it"), lambda: None
    )
    assert (settling.read(), settling.waits) == (b"it", 3)


def test_a_file_that_is_written_to_on_end_is_an_error(tmp_path: Path) -> None:
    """After ten seconds, instead of for ever; the reason is what people are shown."""
    path = tmp_path / "file"
    path.write_bytes(b"")
    with pytest.raises(TimeoutError) as caught:
        Settling(path, lambda: path.write_bytes(path.read_bytes() + b"x")).read()
    assert caught.value.strerror == "it was written to for 10 s on end"


def test_a_link_that_leads_elsewhere_is_a_change(tmp_path: Path) -> None:
    """To a file of the same size and the same times too, as of one checkout."""
    link, following = tmp_path / "link", tmp_path / "following"
    one, other = tmp_path / "one", tmp_path / "other"
    for _ in range(1000):
        one.write_bytes(b"alike")
        other.write_bytes(b"alike")
        os.utime(one, (0, 0))
        os.utime(other, (0, 0))
        if one.stat().st_ctime_ns == other.stat().st_ctime_ns:
            break
    link.symlink_to(one)
    following.symlink_to(other)
    files = Files(1000)
    files(link)
    assert not files.changed()
    following.replace(link)
    assert files.changed()


def test_a_change_is_noticed(tmp_path: Path) -> None:
    """To be written to, to be another file, to come and to go are changes; a pipe is no file."""
    path, other, none = (tmp_path / name for name in ("file", "other", "none"))
    for changed, change in (
        (path, lambda: path.write_bytes(b"longer")),
        (path, lambda: other.replace(path)),
        (path, path.unlink),
        (none, none.touch),
    ):
        path.write_bytes(b"one")
        other.write_bytes(b"other")
        files = Files(1000)
        with contextlib.suppress(FileNotFoundError):
            files(changed)
        assert not files.changed()
        change()
        assert files.changed()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a file: what comes through a pipe is there once"):
        Files(1000)(tmp_path / "pipe")
