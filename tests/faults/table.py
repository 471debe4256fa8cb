"""Makes the fault matrix of docs/reliability.md: `python -m tests.faults.table`.

A row is a fault, what is promised, and the test that holds it. What a table of the tests declares
is taken from there; the other tests of faults are named here.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from tests.faults.matrix import FAULTS, ODDITIES, Fault
from tests.faults.test_fleet import ASSUME, ORGANIZATIONS
from tests.faults.test_processes import (
    BRIEF,
    HANGUPS,
    MOMENTS,
    PAUSES,
    STREAMS,
    UNREAD,
    WAYS,
)
from tests.processes import PATIENCE
from tests.test_poller import SURPRISES

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reliability.md"
_TABLE = re.compile(
    r"(<!-- (?P<name>[\w-]+): made by `make docs` from tests/faults -->\n).*?(<!-- end -->)",
    re.DOTALL,
)


class Row(NamedTuple):
    """A fault, the promised behaviour, and the test's name as pytest takes it."""

    fault: str
    promise: str
    test: str


def _codes(fault: Fault) -> str:
    return " or ".join(f"`{code}`" for code in sorted(fault.codes))


def aws() -> Iterator[Row]:
    """Return what AWS's side may do to a poll."""
    here = "tests/faults/test_matrix.py"
    for name, fault in FAULTS.items():
        bound = " at its deadline" if fault.timeout < PATIENCE else ""
        yield Row(name, f"the poll fails{bound}: {_codes(fault)}", f"{here}::test_fault[{name}]")
    for name, oddity in ODDITIES.items():
        yield Row(name, _MEANT[name], f"{here}::test_oddity[{name}]")
        assert oddity.behaviours
    for name in ("429 storm", "5xx storm"):
        yield Row(
            f"{name}, as AWS sees it",
            "three attempts a poll, with pauses between them",
            f"{here}::test_a_storm_is_not_answered_with_a_storm[{name}]",
        )


_MEANT: Mapping[str, str] = {
    "2,000 pages": "read to the end within the deadline; all of it counts",
    "duplicate ids": "counted as often as AWS lists them, one series for each id",
    "dates in every bad form": 'counted under `age_bucket="unknown"`, without a timestamp series',
    "the year 1": "counted as older than the last edge",
    "the year 9999": "counted as age 0",
    "Macie is not enabled, in all wordings": "an answer: `macie_enabled` 0, no invitation series",
    "faults that pass within the poll": "tried again, then as if nothing had been",
    "a drip that is done in time": "an answer like any other",
}


def fleet() -> Iterator[Row]:
    """Return the faults of STS and Organizations."""
    here = "tests/faults/test_fleet.py"
    for name, (_, code) in ASSUME.items():
        yield Row(
            name,
            f"that account's polls fail with `{code}`, and STS is left alone for a while",
            f"{here}::test_a_role_that_cannot_be_assumed[{name}]",
        )
    yield Row(
        "a session expires between pages",
        "renewed once, and the list read anew from its first page",
        f"{here}::test_a_session_that_expires_between_pages_is_renewed_once",
    )
    for name in ORGANIZATIONS:
        yield Row(
            name,
            "no target is dropped; `macie_exporter_discovery_success` 0",
            f"{here}::test_a_discovery_that_fails_drops_no_target[{name}]",
        )
    yield Row(
        "Organizations fails from a reload on that first asks for it",
        "what was polled before stays",
        f"{here}::test_a_reload_that_looks_for_an_organization_in_vain_drops_no_target",
    )
    yield Row(
        "Organizations does not answer after a reload that takes an account out",
        "what is configured counts: it goes at once",
        "tests/test_discovery.py::"
        "test_an_account_that_a_reload_takes_out_goes_whatever_aws_answers[silent]",
    )
    yield Row(
        "a unit that is to be polled is gone",
        "no target is dropped, other units are current; `macie_exporter_discovery_success` 0",
        f"{here}::test_a_unit_that_is_gone_drops_no_target",
    )
    yield Row(
        "STS fails during a discovery",
        "no target is dropped; `macie_exporter_discovery_success` 0",
        f"{here}::test_sts_that_fails_during_a_discovery_drops_no_target",
    )
    yield Row(
        "ListRegions never answers from a reload on that first asks for it",
        "every target is polled where it was, and no invitation is told of again",
        f"{here}::test_a_reload_to_auto_drops_nothing_while_list_regions_hangs",
    )
    yield Row(
        "a reload while ListRegions does not answer",
        "what it names is polled at once; what comes late changes nothing",
        f"{here}::test_a_reload_does_not_wait_for_regions_that_never_come",
    )
    for what in ("identity", "000000000001"):
        asked = "GetCallerIdentity" if what == "identity" else "ListRegions"
        yield Row(
            f"{asked} never answers",
            "given up after `poll.timeout`, and asked for again",
            "tests/test_discovery.py::test_what_never_answers_is_given_up_with_poll_timeout"
            f"[{what}]",
        )
    recovery = "tests/test_recovery.py"
    yield Row(
        "a role that could not be assumed is repaired",
        "back within one interval, in all its regions; until then one AssumeRole an interval",
        f"{recovery}::test_a_repaired_role_is_back_within_an_interval_in_all_its_regions",
    )
    yield Row(
        "a reload changes a role while STS does not answer for the old one",
        "the poll fails at its deadline, and the next one has the new role",
        f"{here}::test_a_role_that_is_changed_while_sts_does_not_answer_for_it_loses_no_target",
    )
    yield Row(
        "discovery drops a target whose poll is due",
        "no crash, and nothing is said of it",
        f"{here}::test_a_poll_of_a_target_that_was_just_dropped_is_no_crash",
    )


_PROCESSES: Mapping[str, tuple[str, str]] = {
    "a_signal_during_the_first_discovery": (
        "SIGTERM during the first discovery",
        "ends within seconds, in order",
    ),
    "a_signal_while_sts_does_not_say_whose_the_credentials_are": (
        "SIGTERM while STS does not say whose the credentials of an account without a role are",
        "ends within seconds, in order; scrapes are answered until then",
    ),
    "a_signal_during_a_scrape": (
        "SIGTERM during a scrape",
        "ends within seconds, in order, though nobody reads the answer",
    ),
    "a_signal_during_a_reload": (
        "SIGTERM during a reload",
        "ends within seconds, in order; the reload is left undone",
    ),
    "a_file_that_became_a_pipe": (
        "a configuration file that became a pipe nobody writes to",
        "refused after five seconds; everything goes on, and SIGTERM ends it",
    ),
    "killed_and_started_again": (
        "SIGKILL, and a new start",
        "the same truth after the first round; nothing is 0 before it",
    ),
    "a_read_only_root_and_no_home": (
        "read-only root, no HOME",
        "polls and serves; nothing is written anywhere",
    ),
    "a_log_that_nobody_reads_any_more": (
        "standard error is a broken pipe",
        "polls and serves on, and stops in order",
    ),
    "restarts_are_counted_from_the_start": (
        "no crash so far",
        "`macie_exporter_worker_restarts_total` is there from the start, at 0",
    ),
    "a_task_that_crashes_for_ever": (
        "a task that crashes for ever",
        "started again, logged, counted; after six times in a row `/-/healthy` 503",
    ),
    "what_holds_the_loop_is_told": (
        "something holds the event loop",
        "`macie_exporter_loop_lag_seconds` tells for how long",
    ),
    "polls_that_hang_do_not_make_it_unhealthy": (
        "every poll hangs",
        "`/-/healthy` stays 200: a restart would not help",
    ),
}

_ELSEWHERE = (
    *(
        Row(
            f"an unhandled error in a poll: {error.__name__}",
            "logged; that poll fails with `other`, everything else goes on",
            "tests/test_poller.py::test_a_surprise_in_one_poll_is_its_result_and_ends_nothing"
            f"[{error.__name__}]",
        )
        for error in SURPRISES
    ),
    *(
        Row(
            f"an unhandled error in a task: {error.__name__}",
            "started again, logged, counted in `macie_exporter_worker_restarts_total`",
            "tests/test_supervision.py::test_what_ends_with_an_error_is_started_again"
            f"[{error.__name__}]",
        )
        for error in SURPRISES
    ),
    Row(
        "an unhandled error in a discovery",
        "logged; what was found stays, and is looked for again",
        "tests/test_discovery.py::test_a_crash_is_logged_and_ends_nothing",
    ),
    Row(
        "the same under `once`",
        "it ends, with exit code 1",
        "tests/commands/test_commands.py::test_once_ends_when_its_discovery_crashes",
    ),
    Row(
        "an unhandled error in a reload",
        "logged, and refused; everything goes on as it was",
        "tests/commands/test_reloads.py::test_each_who_asks_hears_how_it_went",
    ),
    Row(
        "SIGTERM while AWS hangs",
        "ends within seconds, in order",
        "tests/test_daemon.py::test_stops_in_order_while_aws_hangs[15]",
    ),
    Row(
        "a configuration file that is empty at a reload, as while it is being written",
        "refused: the old configuration stays",
        "tests/test_fleet.py::test_a_wrong_file_changes_nothing",
    ),
    Row(
        "AWS Organizations does not say who belongs to it, with `metrics.trust_organization`",
        "nobody is called untrusted before its first answer; later the last list stays",
        "tests/test_trust.py::"
        "test_nobody_is_unknown_before_the_organization_is_known_nor_after_it_failed",
    ),
    Row(
        "an account's tags cannot be looked up",
        "its labels stay as they were last known; every account is polled",
        "tests/test_discovery.py::"
        "test_tags_that_cannot_be_had_stay_as_they_were_and_keep_nobody_from_being_polled",
    ),
    Row(
        "`GetAdministratorAccount` is denied",
        "the poll has failed, and the hint names the action",
        "tests/aws/test_administrator.py::"
        "test_a_denied_second_call_fails_the_poll_and_names_the_action",
    ),
    Row(
        "a second SIGTERM",
        "ends at once",
        "tests/test_daemon.py::test_a_second_signal_stops_at_once",
    ),
    Row(
        "more polls hang than may run at once, as when packets to AWS vanish",
        "polls that wait too long fail as well: `Deadline`; no value outlives `poll.stale_after`",
        "tests/test_daemon.py::test_an_aws_that_falls_silent_leaves_no_old_value",
    ),
    Row(
        "a storm of SIGHUP",
        "one reload serves all who asked before it began",
        "tests/commands/test_reloads.py::test_a_storm_is_one_reload",
    ),
    Row(
        "SIGTERM after a storm of SIGHUP",
        "no reload is waited for, and none is taken on any more",
        "tests/commands/test_reloads.py::test_a_stop_waits_for_no_reload",
    ),
    Row(
        "the clock is set back",
        "what is stale is so no later",
        "tests/state/test_state.py::test_a_clock_that_was_set_back_keeps_nothing_longer",
    ),
    Row(
        "no network at the start",
        "serves, and polls once there is one",
        "tests/test_daemon.py::test_starts_before_its_network",
    ),
    Row(
        "a restricted pod: no root, no capability, read-only root, no HOME, no new processes",
        "the image polls an organization and stops in order",
        "tests/image/test_image.py::test_it_polls_an_organization_within_the_limits",
    ),
    Row(
        "a task that crashed again and again, and works",
        "`/-/healthy` 200 after a minute",
        "tests/test_supervision.py::test_pauses_double_and_it_is_unhealthy_until_it_is_steady",
    ),
    Row(
        "a resolver that never answers",
        "the poll fails at its deadline, and the process ends in time",
        "tests/aws/test_chain.py::test_what_hangs_holds_no_exit[resolver]",
    ),
    Row(
        "a credential chain that never answers",
        "polls fail at their deadlines, one look under way for all; the process ends in time",
        "tests/aws/test_chain.py::test_what_hangs_holds_no_exit[chain]",
    ),
    Row(
        "an STS that accepts and never answers, where a pod's token is the exporter's credentials",
        "polls fail at their deadlines, and the log says what they waited for",
        "tests/test_daemon.py::test_a_credential_chain_that_hangs_holds_no_poll",
    ),
    *(
        Row(
            f"memory runs out {moment} a poll's result is scheduled",
            "the target's turn comes again",
            "tests/test_poller.py::test_a_result_that_cannot_be_scheduled_loses_no_target"
            f"[{moment}]",
        )
        for moment in ("before", "after")
    ),
    Row(
        "standard error is closed",
        "polls on, and stops in order",
        "tests/commands/test_streams.py::test_the_daemon_does_not_need_a_log",
    ),
)


def process() -> Iterator[Row]:
    """Return what may happen to the process."""
    here = "tests/faults/test_processes.py"
    for name, (fault, promise) in _PROCESSES.items():
        yield Row(fault, promise, f"{here}::test_{name}")
    for words in UNREAD:
        asked = " ".join(words)
        yield Row(
            f"SIGTERM while a file cannot be read to its end: `{asked}`",
            "ends at once",
            f"{here}::test_a_signal_before_it_listens[{asked}]",
        )
    for moment in MOMENTS:
        yield Row(
            f"SIGTERM to process 1 of a container while {moment}",
            "ends at once",
            f"{here}::test_a_signal_to_process_1_of_a_container[{moment}]",
        )
    for command in BRIEF:
        yield Row(
            f"the terminal of `{command}` is closed",
            "ends at once",
            f"{here}::test_a_terminal_that_is_closed_ends_a_command[{command}]",
        )
        yield Row(
            f"the same under nohup: `{command}`",
            "goes on to its end",
            f"{here}::test_nohup_keeps_a_command[{command}]",
        )
    for command, code in HANGUPS.items():
        yield Row(
            f"SIGHUP while `{command}` is being imported",
            "ends once it is known that there is nothing to reload"
            if code
            else "a reload as soon as it has started",
            f"{here}::test_a_hangup_while_it_imports[{command}]",
        )
    for way in WAYS:
        yield Row(
            f"SIGTERM during a reload that hangs, asked for {way}",
            "ends within seconds, in order; scrapes are answered until then",
            f"{here}::test_a_signal_during_a_reload_that_hangs[{way}]",
        )
    for pause in PAUSES:
        yield Row(
            f"SIGTERM {pause} s after the start",
            "ends within seconds",
            f"{here}::test_a_signal_at_any_moment_of_the_start[{pause}]",
        )
    for stream in STREAMS:
        yield Row(
            f"a full disk: `{stream}`",
            "polls and serves on, and stops in order",
            f"{here}::test_a_full_disk_for_the_log[{stream}]",
        )
    yield from _ELSEWHERE


TABLES = {"faults-aws": aws, "faults-fleet": fleet, "faults-process": process}


def written(page: str) -> str:
    """Return the page with its tables made anew; raises KeyError for a table that nobody makes."""
    head = "| fault | promised behaviour | test |\n| --- | --- | --- |\n"
    return _TABLE.sub(
        lambda found: (
            f"{found[1]}\n{head}"
            + "".join(
                f"| {row.fault} | {row.promise} | `{row.test}` |\n"
                for row in TABLES[found["name"]]()
            )
            + f"\n{found[3]}"
        ),
        page,
    )


def named_in(page: str) -> list[str]:
    """Return the names of the tests that a page's tables name."""
    return re.findall(r"\| `(tests/[^`]+)` \|$", page, re.MULTILINE)


def main() -> None:
    """Write the tables of the page anew."""
    PAGE.write_text(written(PAGE.read_text()))


if __name__ == "__main__":
    main()
