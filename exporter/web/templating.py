"""Templates, and how values are written in them. Jinja2 is imported with the first page."""

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from exporter.model import KNOWN_STATUSES, PENDING_STATUSES
from exporter.state import TargetState
from exporter.state.history import recall
from exporter.visible import visible
from exporter.web.api import timestamp
from exporter.web.assets import assets

if TYPE_CHECKING:
    import jinja2

_MINUTE, _HOUR, _DAY = 60, 3600, 86400

LABELS = {
    TargetState.OK: "ok",
    TargetState.PENDING: "not polled yet",
    TargetState.NOT_ENABLED: "not enabled",
    TargetState.FAILING: "failing",
    TargetState.STALE: "stale",
}
TITLES = {
    "account": "Account",
    "region": "Region",
    "state": "State",
    "pending": "Invitations",
    "oldest": "Oldest pending",
    "success": "Last success",
    "next": "Next poll",
    "error": "Last error",
}
"""Of the table's columns, by what they are sorted by."""
MEANINGS = {
    TargetState.OK: "The last poll got an answer.",
    TargetState.PENDING: "The first poll is still to come.",
    TargetState.NOT_ENABLED: "AWS answers that Macie is not enabled there.",
    TargetState.FAILING: (
        "The last poll failed; the last answer, if there was one, is still exported."
    ),
    TargetState.STALE: "Polls have failed for so long that the last answer is no longer exported.",
}


class Templates:
    """Renders the package's templates; everything put in is escaped, and shown as what it is.

    Where outsiders chose a text it stands in a `bdi` of its own: letters that are written from the
    right would take what is beside them along.
    """

    def __init__(self) -> None:
        """Read the files that templates refer to by name."""
        self.assets = assets()

    def render(self, name: str, values: Mapping[str, object]) -> str:
        """Render a template. Raises jinja2.UndefinedError if it asks for what is not given."""
        return self._environment.get_template(name).render(values)

    @cached_property
    def _environment(self) -> "jinja2.Environment":
        # A twentieth of a second that a start does without, and a scrape for ever.
        import jinja2  # noqa: PLC0415 -- see above

        environment = jinja2.Environment(
            loader=jinja2.PackageLoader("exporter.web"),
            autoescape=True,
            finalize=_shown,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters |= {
            "ago": ago,
            "due": due,
            "number": number,
            "polls": recall,
            "sentence": sentence,
            "timestamp": timestamp,
        }
        environment.globals |= {
            "asset": lambda name: self.assets[name].path,
            "labels": LABELS,
            "meanings": MEANINGS,
            "titles": TITLES,
            "known_statuses": KNOWN_STATUSES,
            "pending_statuses": PENDING_STATUSES,
            "states": tuple(TargetState),
        }
        return environment


def _shown(value: object) -> object:
    """Return a text as it may be seen; what was rendered already is Markup, and stays."""
    return visible(value) if type(value) is str else value


def number(count: int, noun: str) -> str:
    """Return how many there are of something: 1 target, 2 targets."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def sentence(text: str) -> str:
    """Return a hint as a sentence."""
    return f"{text[:1].upper()}{text[1:]}."


def ago(time: float, now: float) -> str:
    """Return how long ago a time in Unix seconds is, or how far ahead of the clock.

    static/pages.js says the same, second by second.
    """
    age = int(now - time)
    return f"{span(age)} ago" if age >= 0 else f"in {span(-age)}"


def due(time: float, now: float) -> str:
    """Return how long it takes until a time in Unix seconds."""
    return f"in {span(int(time - now))}" if time >= now + 1 else "now"


def span(seconds: int) -> str:
    """Return a duration with its two largest units."""
    if seconds < _MINUTE:
        return f"{seconds}s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE}m {seconds % _MINUTE}s"
    if seconds < _DAY:
        return f"{seconds // _HOUR}h {seconds % _HOUR // _MINUTE}m"
    return f"{seconds // _DAY}d {seconds % _DAY // _HOUR}h"
