"""Everything that takes bytes from outside. Whoever adds another way in, adds a line."""

from collections.abc import Mapping

from tests.fuzz import files, requests, responses
from tests.fuzz.engine import Target

TARGETS: Mapping[str, Target] = {
    target.name: target for module in (responses, files, requests) for target in module.TARGETS
}
