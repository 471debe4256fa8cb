"""The tables of the documentation, made from a run.

Each stands between a pair of comments that name it, and is written anew there.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from math import ceil
from typing import Any

from benchmarks.goals import HEAD, reached
from benchmarks.processes import MB
from benchmarks.timing import Figures

Results = Mapping[str, Any]
"""What a run wrote down: where and when, and `figures`."""

_TABLE = re.compile(
    r"(<!-- (?P<name>[\w-]+): made by `make bench` -->\n).*?(<!-- end -->)", re.DOTALL
)
_SIZES = (
    (10, "invited"),
    (100, "invited"),
    (1_000, "invited"),
    (10_000, "invited"),
    (20_000, "invited"),
    (20_000, "all"),
)
_FLEETS = (
    (20, 60),
    (500, 300),
    (2_000, 300),
    (10_000, 300),
    (20_000, 300),
    (20_000, 60),
    (60_000, 300),
)
"""Targets, and seconds between the polls of each."""

_MOST_TARGETS = 20_000
"""Of one process: what is measured here, and a scrape that Prometheus reads in its time."""

_FULL_CORE = 0.7
"""More of one core than this leaves no room for a first round or a slow hour."""


def written(text: str, results: Results) -> str:
    """Return a document with its tables made anew; raises KeyError for one that nobody makes."""
    return _TABLE.sub(
        lambda found: f"{found[1]}\n{TABLES[found['name']](results)}\n{found[3]}", text
    )


def machine(results: Results) -> str:
    """Say what the numbers were measured on."""
    return (
        f"Measured on {results['date']} with Python {results['python']} on two cores of "
        f"{results['processor']}{', in small numbers (`--quick`)' if results['quick'] else ''}.\n"
    )


def goals(results: Results) -> str:
    """Return every goal with what was measured."""
    return _table(HEAD, (found.cells() for found in reached(results["figures"])))


def growth(results: Results) -> str:
    """Return how the cost of a scrape grows."""
    head = (
        "targets",
        "`zero_fill`",
        "series",
        "text",
        "gzip",
        "all rendered",
        "nothing changed",
        "all polled again",
        "the same, gzip",
    )
    figures: Figures = results["figures"]
    return _table(head, (_grown(figures, count, fill) for count, fill in _SIZES))


def _grown(figures: Figures, count: int, fill: str) -> tuple[str, ...]:
    def of(key: str) -> float:
        return figures.get(f"growth_{count}_{fill}_{key}", float("nan"))

    return (
        f"{count:,}",
        fill,
        f"{of('series'):,.0f}",
        _megabytes(of("bytes")),
        _megabytes(of("gzip_bytes")),
        *(_rounded(of(key), "ms") for key in ("first_ms", "unchanged_ms")),
        *(_rounded(of(key), "ms") for key in ("polled_ms", "polled_gzip_ms")),
    )


def sizing(results: Results) -> str:
    """Return what fleets of some sizes need."""
    head = (
        "targets",
        "interval",
        "polls a second",
        "memory",
        "processor",
        "scrape",
        "the same, gzip",
        "shards",
    )
    figures: Figures = results["figures"]
    return _table(head, (_sized(figures, *size) for size in _FLEETS))


def _sized(figures: Figures, targets: int, interval: int) -> tuple[str, ...]:
    """Reckon a fleet's needs from what its largest one needed."""
    share = targets / figures["fleet_targets"]
    rate = targets / interval
    base = figures["resident_start_mb"]
    memory = base + (figures["resident_last_mb"] - base) * share
    # The scrape a minute is in it.
    core = rate * figures["settled_poll_ms"] / 1000
    return (
        f"{targets:,}",
        f"{interval // 60}m",
        f"{rate:.3g}",
        f"{memory:.0f} MB",
        f"{max(core, 0.01) * 100:.0f} % of a core",
        _megabytes(figures["fleet_text_bytes"] * share),
        _megabytes(figures["fleet_gzip_bytes"] * share),
        f"{ceil(max(core / _FULL_CORE, targets / _MOST_TARGETS))}",
    )


def memory(results: Results) -> str:
    """Return the memory of the process over its rounds."""
    figures: Figures = results["figures"]
    rounds = [f"resident_round_{number}_mb" for number in range(1, 11)]
    rows = [
        ("with one target", figures["resident_start_mb"]),
        ("after the first round and two scrapes", figures["fleet_resident_mb"]),
        *(
            (f"after {number} more", figures[name])
            for number, name in enumerate(rounds, 1)
            if name in figures
        ),
    ]
    return _table(("", "resident"), ((name, f"{value:.0f} MB") for name, value in rows))


def numbers(results: Results) -> str:
    """Return what else was measured, and has no goal."""
    figures: Figures = results["figures"]
    return _table(
        ("what", "measured"),
        ((text, _rounded(figures[key] * scale, unit)) for text, key, scale, unit in _NUMBERS),
    )


_NUMBERS = (
    ("processor time of a poll by itself, 3 invitations", "poll_3_ours_ms", 1, "ms"),
    ("the same, a default boto3 client", "poll_3_boto3_ms", 1, "ms"),
    ("the same, the floor", "poll_3_floor_ms", 1, "ms"),
    ("the same with 25 invitations, the floor", "poll_25_floor_ms", 1, "ms"),
    ("processor time of a poll, 256 at once", "poll_ms_256", 1, "ms"),
    ("the same, the floor", "floor_ms_256", 1, "ms"),
    ("polls a second, 64 at once", "polls_per_second_64", 1, "/s"),
    ("the fake endpoint's share of a core, 256 at once", "endpoint_share_of_core_256", 100, "%"),
    ("processor time of the first round of 20,000", "fleet_first_round_processor_s", 1, "s"),
    ("the same of 100,000", "largest_first_round_processor_s", 1, "s"),
    ("polls a second over ten rounds, scraped every second", "rounds_polls_per_second", 1, "/s"),
    ("processor time of each, scrapes and all", "rounds_poll_ms", 1, "ms"),
    ("the same, every 5 minutes, scraped every minute", "settled_poll_ms", 1, "ms"),
    ("20 targets every 10 s: the floor, as seldom", "seldom_floor_ms", 1, "ms"),
    ("text scrape of 100,000 targets at full speed", "largest_first_text_scrape_ms", 1, "ms"),
    ("longest time that the loop is held with 100,000", "largest_loop_held_ms", 1, "ms"),
    ("gzip scrape, 200,000 series, nothing changed", "scrape_unchanged_gzip_ms", 1, "ms"),
    ("gzip scrape, every target polled again", "scrape_polled_gzip_ms", 1, "ms"),
    ("a poll that lands, same invitations: to render it", "landing_repeated_us", 1, "µs"),
    ("a poll that lands, other invitations: to render it", "landing_different_us", 1, "µs"),
)

TABLES: Mapping[str, Callable[[Results], str]] = {
    "machine": machine,
    "goals": goals,
    "growth": growth,
    "sizing": sizing,
    "memory": memory,
    "numbers": numbers,
}


def _rounded(value: float, unit: str) -> str:
    """Write a number with three digits, or all those before the point."""
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"  # noqa: PLR2004 -- as said


def _megabytes(size: float) -> str:
    return f"{size / MB:.2g} MB" if size < 10 * MB else f"{size / MB:.0f} MB"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
