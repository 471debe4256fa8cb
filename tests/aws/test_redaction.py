"""Secrets in texts that others wrote: hidden however they are spelled, and nothing else is."""

import json
from collections.abc import Callable
from html import escape
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.aws.redaction import UNSHOWN, without


def _in_json(text: str) -> str:
    return json.dumps(text)[1:-1]


SPELLINGS: tuple[Callable[[str], str], ...] = (
    str,
    quote,
    lambda text: quote(text, safe=""),
    lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    _in_json,
    lambda text: _in_json(text).replace("/", r"\/"),
    lambda text: "".join(f"\\u{ord(char):04X}" for char in text),
    escape,
    lambda text: "".join(f"&#{ord(char)};" for char in text),
    lambda text: "".join(f"&#x{ord(char):x};" for char in text),
)
SECRETS = st.text(
    st.characters(codec="ascii", categories=("L", "N", "P", "S"), exclude_characters="|"),
    min_size=4,
)
AROUND = st.text(" \néü", max_size=20)


@given(SECRETS, st.sampled_from(SPELLINGS), st.sampled_from(SPELLINGS), AROUND, AROUND)
@example("ends\\", _in_json, str, "", "")
def test_a_secret_is_hidden_in_every_spelling(
    secret: str,
    inner: Callable[[str], str],
    outer: Callable[[str], str],
    before: str,
    after: str,
) -> None:
    """Also in the spelling of a spelling: then the whole text is not shown.

    Where the secret itself stands within its spelling, it is hidden there.
    """
    said = outer(inner(secret))
    hidden = said.replace(secret, "...")
    is_there = secret in said and secret not in hidden
    expected = f"{before}|{hidden}|{after}" if is_there else UNSHOWN
    assert without([secret], f"{before}|{said}|{after}") == expected


@given(st.text(), st.lists(SECRETS, max_size=3))
def test_what_holds_no_secret_is_left_alone(text: str, secrets: list[str]) -> None:
    """But for secrets, nothing changes; nothing is an error."""
    found = without([secret + "\0" for secret in secrets], text.replace("@", ""))
    assert found == text.replace("@", "")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("to http://user:pass@host/x?a=b", "to http://...@host/x?a=b"),
        ("to https://user@host and //u:p@h.", "to https://...@host and //...@h."),
        ("mail to user@host", "mail to user@host"),
        ("http://host/path@x", "http://host/path@x"),
    ],
)
def test_users_and_passwords_of_urls_are_hidden(text: str, shown: str) -> None:
    """Whoever wrote them; what comes later in a URL is none."""
    assert without([], text) == shown


def test_a_secret_within_another_is_hidden_with_it() -> None:
    """As a proxy's password in what the proxy is told; whichever is named first."""
    assert without(["bcde", "abcdef"], "1 abcdef 2 bcde 3") == "1 ... 2 ... 3"
