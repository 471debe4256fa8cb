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
    "served": scrapes.served,
    "starts": starts.cost,
    "growth": scrapes.growth,
    "fleet": fleets.cost,
}
"""Each runs in a process of its own."""


_SMALL = 0.2
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
        """Give the bound in words."""
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
        """Give the row of a table."""
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
        "processor time of a poll, 25 invitations; reference: a default boto3 client",
        "poll_25_ours_ms",
        "ms",
        0.45,
        "poll_25_boto3_ms",
    ),
    Goal(
        "the same; reference: SigV4 by botocore, urllib3 and json alone",
        "poll_25_ours_ms",
        "ms",
        2.0,
        "poll_25_floor_ms",
    ),
    Goal(
        "polls a second, 64 at once, 50 ms of latency, 3 invitations",
        "polls_per_second",
        "/s",
        800,
        at_least=True,
    ),
    Goal(
        "first round of 20,000 targets, from the start of the process, 50 ms of latency",
        "first_round_s",
        "s",
        30,
    ),
    Goal("resident memory after it and two scrapes", "resident_first_mb", "MB", 220),
    Goal("resident memory after ten more rounds", "resident_last_mb", "MB", 220),
    Goal("its growth from the first of these rounds to the tenth", "resident_growth_mb", "MB", 5),
    Goal(
        "processor time of a scrape, 200,000 series, every target polled since the last one; "
        "reference: generate_latest",
        "scrape_polled_ms",
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
        "p99 of a gzip scrape over HTTP, nothing changed, while polling at full speed",
        "served_p99_ms",
        "ms",
        100,
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
        3.0,
        "start_boto3_ms",
    ),
    Goal(
        "idle with 20,000 targets every 5 minutes: of one core, beyond the polls",
        "idle_beyond_percent",
        "%",
        10,
    ),
)


def reached(figures: Figures) -> Iterator[Reached]:
    """Compare every goal that was measured."""
    for goal in GOALS:
        found = goal.reached(figures)
        if found is not None:
            yield found
