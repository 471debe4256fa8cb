"""Files as they may be found: none, a folder, a pipe that nobody or somebody slow writes to."""

import os
import threading
from pathlib import Path

import pytest

from exporter.files import read_whole


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


def test_a_pipe_is_waited_for_but_not_for_ever(tmp_path: Path) -> None:
    """Be it that nobody opens it, or that somebody never closes it."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(TimeoutError) as caught:
        read_whole(pipe, 100, patience=0.1)
    assert caught.value.strerror == "it did not end within 0.1 s"
    writer = os.open(pipe, os.O_RDWR)
    os.write(writer, b"half")
    with pytest.raises(TimeoutError):
        read_whole(pipe, 100, patience=0.1)
    os.close(writer)


def test_a_pipe_gives_what_is_written_to_it(tmp_path: Path) -> None:
    """As a shell's `<(...)` does, which begins when it likes."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    def write() -> None:
        with pipe.open("wb") as writer:
            writer.write(b"poll: ")
            writer.flush()
            writer.write(b"{}")

    thread = threading.Thread(target=write)
    thread.start()
    assert read_whole(pipe, 100) == b"poll: {}"
    thread.join()
