"""Events as lines: one each, whatever is in them, and never an exception."""

import io
import json
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.log import Lines

MOMENT = 1_700_000_000.5
TS = "2023-11-14T22:13:20.500Z"
FORMS = ("logfmt", "json")


class Unspeakable:
    """A value that cannot be shown."""

    def __str__(self) -> str:
        """Fail."""
        raise RuntimeError("no text")


def logging(form: str, level: str = "debug") -> tuple[Lines, Callable[[], str]]:
    """Return a log, and what tells all that was written to it."""
    stream = io.StringIO(newline="")
    return Lines(stream, level=level, form=form, now=lambda: MOMENT), stream.getvalue


def logged(form: str, **fields: object) -> str:
    """Return the line of one event."""
    log, written = logging(form)
    log.info("polled", **fields)
    return written()


def test_an_event() -> None:
    """Time, level and event come first; what needs quotes has them, JSON keeps types."""
    fields = {"region": "eu-west-1", "error": 'say "hi"', "n": 3, "ok": True, "none": None}
    assert logged("logfmt", **fields) == (
        f'ts={TS} level=info event=polled region=eu-west-1 error="say \\"hi\\"" n=3 ok=true none=\n'
    )
    assert logged("json", **fields) == (
        f'{{"ts": "{TS}", "level": "info", "event": "polled", "region": "eu-west-1", '
        '"error": "say \\"hi\\"", "n": 3, "ok": true, "none": null}\n'
    )


@pytest.mark.parametrize(
    ("value", "logfmt", "as_json"),
    [
        ("a=b", '"a=b"', '"a=b"'),
        ("a\\b", '"a\\\\b"', '"a\\\\b"'),
        ("a\nb\u2028\x85", '"a\\nb\\u2028\\u0085"', '"a\\nb\\u2028\\u0085"'),
        ("café", "café", '"caf\\u00e9"'),
        ("\ud800", '"\\ud800"', '"\\ud800"'),
        (float("nan"), "nan", '"nan"'),
        (["a", 1], '"[\\"a\\", 1]"', '["a", 1]'),
        (Path("/x"), "/x", '"/x"'),
        ({"a": float("nan")}, "\"{'a': nan}\"", "\"{'a': nan}\""),
        (10**5000, '"<int that cannot be shown>"', '"<int that cannot be shown>"'),
        (Unspeakable(), *['"<Unspeakable that cannot be shown>"'] * 2),
    ],
    ids=map(str, range(11)),
)
def test_values(value: object, logfmt: str, as_json: str) -> None:
    """Whatever a value is, it is one word of the line; what JSON has no form for is its text."""
    assert logged("logfmt", v=value) == f"ts={TS} level=info event=polled v={logfmt}\n"
    line = logged("json", v=value)
    assert line == f'{{"ts": "{TS}", "level": "info", "event": "polled", "v": {as_json}}}\n'


texts = st.text(st.characters())  # surrogates and every separator among them


@given(st.sampled_from(FORMS), texts | st.floats() | st.lists(texts))
def test_one_line_for_each_event(form: str, value: object) -> None:
    """Nothing in a value ends the line, for any reader's idea of lines."""
    line = logged(form, v=value)
    assert len(line.splitlines()) == 1
    assert line.endswith("\n")


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="\\'`$")))
def test_logfmt_can_be_read_back(value: str) -> None:
    """Quotes and blanks do not spill into the next field."""
    words = shlex.split(logged("logfmt", v=value, last="end"))
    assert words[3:] == [f"v={value}", "last=end"]


def test_level_and_form_change_while_in_use() -> None:
    """What is below the level is not written; the very same log writes on as newly configured."""
    log, written = logging("logfmt", "error")
    for level in ("error", "warning", "info", "debug"):
        log.configure(level=level, form="json")
        for each in ("debug", "info", "warning", "error"):
            getattr(log, each)(f"at_{level}")
    told = [json.loads(line) for line in written().splitlines()]
    assert [each["event"] for each in told] == [
        *["at_error"],
        *["at_warning"] * 2,
        *["at_info"] * 3,
        *["at_debug"] * 4,
    ]
    assert [each["level"] for each in told[-4:]] == ["debug", "info", "warning", "error"]


@pytest.mark.parametrize("form", FORMS)
def test_a_traceback_is_one_line_and_repeats_nothing_that_others_say(form: str) -> None:
    """A library's exception may hold an answer, and that a token: type and frames are told."""
    words = ["login", "hunter2"]

    def fail() -> None:
        raise subprocess.CalledProcessError(1, words)

    def fail_again() -> None:
        try:
            fail()
        except subprocess.CalledProcessError as error:
            raise TypeError("our own mistake") from error

    log, written = logging(form, "error")
    try:
        fail_again()
    except TypeError:
        log.exception("crashed")
    assert written().count("\n") == 1
    assert "hunter2" not in written()
    for told in (
        "Traceback (most recent call last):\\n",
        "subprocess.CalledProcessError: (its text is not shown)",
        "TypeError: our own mistake",
        "in fail\\n",
        "in fail_again\\n",
    ):
        assert told in written()


def test_an_exception_that_is_none_does_no_harm() -> None:
    """The event is logged all the same."""
    log, written = logging("logfmt")
    log.exception("calm")  # noqa: LOG004 -- that it does no harm is the point
    assert written() == f"ts={TS} level=error event=calm\n"
