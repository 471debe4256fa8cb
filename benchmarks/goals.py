"""What is to be reached, and whether it was."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from benchmarks import fleets, polls, scrapes, starts
from benchmarks.timing import Figures

MEASUREMENTS: Mapping[str, Callable[..., Figures]] = {
    "polls": polls.cost,
    "throughput": polls.throughput,
    "scrapes": scrapes.cost,
    "memory": scrapes.memory,
    "starts": starts.cost,
    "growth": scrapes.growth,
    "fleet": fleets.cost,
    "largest": fleets.largest,
    "smallest": fleets.smallest,
}
"""Each runs in a process of its own."""


_SMALL = 0.1
"""Ratios below this read better as fractions."""


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound on a figure, or on its ratio to a reference that was measured in the same run."""

    name: str
    figure: str
    unit: str
    bound: float
    reference: str = ""
    at_least: bool = False

    def reached(self, figures: Figures) -> "Reached | None":
        """Compare with what was measured, if it was."""
        ours = figures.get(self.figure)
        reference = figures.get(self.reference) if self.reference else None
        if ours is None or (self.reference and not reference):
            return None
        ratio = ours / reference if reference else None
        value = ours if ratio is None else ratio
        met = value >= self.bound if self.at_least else value <= self.bound
        return Reached(self, ours, reference, ratio, met)

    @property
    def text(self) -> str:
        """Return the bound in words."""
        if not self.reference:
            return f"{'at least' if self.at_least else 'at most'} {self.bound:g} {self.unit}"
        return f"at most {self.ratio(self.bound)}"

    def ratio(self, value: float) -> str:
        """Write a ratio as the bound is written: a small one as a fraction."""
        return f"1/{1 / value:.3g}" if self.bound < _SMALL else f"{value:.3g} x"


@dataclass(frozen=True, slots=True)
class Reached:
    """A goal with what was measured."""

    goal: Goal
    ours: float
    reference: float | None
    ratio: float | None
    met: bool

    def cells(self) -> tuple[str, ...]:
        """Return the row of a table."""
        return (
            self.goal.name,
            f"{self.ours:,.4g} {self.goal.unit}",
            "" if self.reference is None else f"{self.reference:,.4g} {self.goal.unit}",
            "" if self.ratio is None else self.goal.ratio(self.ratio),
            self.goal.text,
            "yes" if self.met else "MISSED",
        )


HEAD = ("what", "ours", "reference", "ratio", "goal", "met")

GOALS = (
    Goal(
        "processor time of a poll, 64 at once, 50 ms of latency, 3 invitations",
        "poll_ms_64",
        "ms",
        0.35,
    ),
    Goal(
        "the same; reference: SigV4 by botocore, aiohttp, json and values alone",
        "poll_ms_64",
        "ms",
        1.2,
        "floor_ms_64",
    ),
    Goal(
        "one at a time, 25 invitations; reference: a default boto3 client",
        "poll_25_ours_ms",
        "ms",
        0.2,
        "poll_25_boto3_ms",
    ),
    Goal(
        "polls a second, 256 at once, 50 ms of latency",
        "polls_per_second_256",
        "/s",
        2_500,
        at_least=True,
    ),
    Goal(
        "first round of 20,000 targets in 1,000 accounts, from the start of the process",
        "fleet_first_round_s",
        "s",
        12,
    ),
    Goal(
        "first scrape after it, with gzip, at full speed",
        "fleet_first_scrape_ms",
        "ms",
        200,
    ),
    Goal("the same as text, after that", "fleet_first_text_scrape_ms", "ms", 200),
    Goal(
        "gzip scrapes while everything moves at full speed, p50",
        "moving_median_ms",
        "ms",
        60,
    ),
    Goal("the same, p99", "moving_p99_ms", "ms", 100),
    Goal("longest time that the loop is held in the first round", "fleet_loop_held_ms", "ms", 50),
    Goal("the same, in ten more", "rounds_loop_held_ms", "ms", 50),
    Goal("memory with one target", "resident_start_mb", "MB", 70),
    Goal("memory with 20,000 targets after ten more rounds", "resident_last_mb", "MB", 180),
    Goal("its growth from the first of these rounds to the tenth", "resident_growth_mb", "MB", 5),
    Goal("100,000 targets: first round", "largest_first_round_s", "s", 55),
    Goal("first scrape after it, at full speed", "largest_first_scrape_ms", "ms", 500),
    Goal("memory after it and a scrape as text", "largest_resident_mb", "MB", 600),
    Goal("processor with 20,000 targets every 5 minutes, of a core", "settled_percent", "%", 5),
    Goal(
        "scrape of 200,000 series as text, whatever changed; reference: generate_latest",
        "scrape_text_ms",
        "ms",
        1 / 200,
        "scrape_reference_ms",
    ),
    Goal(
        "the same with gzip, 1 % of the targets changed",
        "scrape_one_percent_gzip_ms",
        "ms",
        1 / 50,
        "scrape_reference_ms",
    ),
    Goal(
        "memory of the exposition, kept as text and as gzip; reference: the text",
        "memory_exposition_mb",
        "MB",
        2.0,
        "memory_text_mb",
    ),
    Goal(
        "start to the first answer on /metrics; reference: `import boto3`",
        "start_ms",
        "ms",
        2.5,
        "start_boto3_ms",
    ),
    Goal("one account in one region, at rest", "idle_threads", "threads", 5),
    Goal("the same: processor, of a core", "idle_percent", "%", 0.05),
    Goal("20 targets every 10 s: processor time a poll, all in", "seldom_poll_ms", "ms", 1.0),
)


def reached(figures: Figures) -> Iterator[Reached]:
    """Compare every goal that was measured."""
    for goal in GOALS:
        found = goal.reached(figures)
        if found is not None:
            yield found
