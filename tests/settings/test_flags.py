"""The settings as flags: how argv is taken apart, and how each is described."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.settings.flags import Words, flags, flags_help, read
from tests.settings.loads import loaded

NAMES = [flag.name for flag in flags()]


@pytest.mark.parametrize("words", [["--poll.interval=1m"], ["--poll.interval", "1m"]])
def test_a_value_stands_behind_an_equals_sign_or_in_the_next_word(words: list[str]) -> None:
    """Both spellings mean the same, wherever the command stands."""
    expected = Words((("poll.interval", "1m"),), ("check",), ())
    assert read(["check", *words]) == read([*words, "check"]) == expected


def test_a_switch_needs_no_value() -> None:
    """Alone it means true; a value is taken only behind an equals sign."""
    assert read(["--web.enable-lifecycle", "once"]).rest == ("once",)
    assert read(["--web.enable-lifecycle"]).flags == (("web.enable-lifecycle", "true"),)
    assert read(["--web.enable-lifecycle=false"]).flags == (("web.enable-lifecycle", "false"),)


@pytest.mark.parametrize("value", ["", "-1", "a=b=c", "--", "x y", "[::1]:80"])
def test_any_value_arrives_as_it_is(value: str) -> None:
    """Behind the first equals sign nothing has a meaning of its own."""
    assert read([f"--log.level={value}"]) == Words((("log.level", value),), (), ())


def test_a_negative_number_is_a_value() -> None:
    """Only two dashes begin a flag."""
    assert read(["--shard.index", "-1"]) == Words((("shard.index", "-1"),), (), ())


def test_a_flag_without_its_value() -> None:
    """At the end, or before another flag, there is none to take."""
    words = read(["--log.level", "--poll.interval"])
    assert words.problems == (
        "--log.level: needs a value, as in --log.level=info",
        "--poll.interval: needs a value, as in --poll.interval=5m",
    )
    assert read(["--config.file"]).problems == (
        "--config.file: needs a value, as in --config.file=TEXT",
    )


def test_a_flag_given_twice() -> None:
    """Which of the two was meant is not for us to guess, even where they agree."""
    words = read(["--log.level=info", "--log.level", "info", "--no.such=1", "--no.such=2"])
    assert words.problems == (
        "--log.level: given more than once",
        "--no.such: given more than once",
    )


def test_underscores_are_taken_for_dashes() -> None:
    """A key copied from the file is a flag, and the same flag as the one with dashes."""
    assert loaded("poll.stale_after=1h").poll.stale_after.total_seconds() == 3600
    assert read(["--web.enable_lifecycle"]).flags == (("web.enable-lifecycle", "true"),)
    assert read(["--poll.stale_after=1h", "--poll.stale-after=2h"]).problems == (
        "--poll.stale-after: given more than once",
    )


def test_the_web_file_as_the_field_spells_it() -> None:
    """Every exporter on the exporter-toolkit has --web.config.file: it is the same flag here."""
    assert read(["--web.config.file=web.yml"]) == read(["--web.config-file", "web.yml"])
    assert read(["--web.config.file", "a"]).flags == (("web.config-file", "a"),)
    assert read(["--web.config.file=a", "--web.config-file=b"]).problems == (
        "--web.config-file: given more than once",
    )


def test_unknown_flags_are_kept_with_what_seems_to_be_their_value() -> None:
    """They are no stray words as well; their keys are looked up when settings are loaded."""
    assert read(["--poll.intervl", "5m"]) == Words((("poll.intervl", "5m"),), (), ())
    assert read(["--dry-run", "--log.level=info"]).flags == (
        ("dry-run", ""),
        ("log.level", "info"),
    )


@given(st.dictionaries(st.sampled_from(NAMES), st.text(), max_size=5), st.booleans())
def test_what_is_given_is_what_is_read(given_flags: dict[str, str], in_front: bool) -> None:  # noqa: FBT001 -- drawn
    """Any known flags with any values, beside a command, are read as they were given."""
    words = [f"--{name}={value}" for name, value in given_flags.items()]
    read_back = read(["check", *words] if in_front else [*words, "check"])
    assert read_back == Words(tuple(given_flags.items()), ("check",), ())


def test_every_setting_outside_of_lists_is_a_flag() -> None:
    """The names follow the tree."""
    assert NAMES[:5] == [
        "config.file",
        "poll.interval",
        "poll.concurrency",
        "poll.timeout",
        "poll.stale-after",
    ]
    assert "aws.organization.role-name" in NAMES
    assert not any(name.startswith("aws.accounts.") for name in NAMES)


def test_every_flag_is_described_in_full() -> None:
    """Kind, default and help are there for all; the help keeps to the width of a terminal."""
    text = flags_help()
    assert all(flag.help.endswith(".") for flag in flags())
    assert all(f"\n  --{flag.name}" in text for flag in flags())
    assert max(map(len, text.splitlines())) <= 100
    assert (
        """\
metrics: What is exposed.
  --metrics.age-buckets=DURATION,...
      Edges of the exclusive age buckets, ascending, in whole hours. [1d,7d,30d,90d]
  --metrics.zero-fill=all|invited|none
      Whose absent counts are shown as 0: every known status, Invited alone, or none. [all]
  --metrics.trusted-inviters=TEXT,...
      Account ids that may invite. Without these and trust_organization no invitation can be told as
      unknown.
  --metrics.trust-organization[=true|false]
      Every account that AWS Organizations lists may invite too; needs aws.organization. [false]
  --metrics.account-labels=TEXT,...
      Keys of labels (of aws.accounts) or tags (in AWS Organizations) for macie_account_info, at
      most 10.
  --metrics.max-inviter-series=NUMBER
      At most so many series of macie_untrusted_inviter_timestamp_seconds, the newest kept. [1000]
  --metrics.administrator.enabled[=true|false]
      Ask GetAdministratorAccount too, in the same poll; expose macie_has_administrator and
      macie_administrator_info. [false]
  --metrics.per-invitation.enabled[=true|false]
      Expose macie_invitation_timestamp_seconds. [false]
"""
        in text
    )
