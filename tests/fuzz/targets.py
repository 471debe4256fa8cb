"""Everything that takes bytes from outside. Whoever adds another way in, adds a line."""

from collections.abc import Mapping

from tests.fuzz import configurations, requests, responses, webfiles
from tests.fuzz.engine import Target

TARGETS: Mapping[str, Target] = {
    target.name: target
    for module in (responses, configurations, webfiles, requests)
    for target in module.TARGETS
}
