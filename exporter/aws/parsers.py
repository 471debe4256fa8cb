"""botocore's parsers of answers, with quick timestamps and without their trust in types."""

from collections.abc import Mapping
from typing import Any

from botocore.parsers import (
    PROTOCOL_PARSERS,
    BaseJSONParser,
    JSONParser,
    ResponseParser,
    ResponseParserError,
    ResponseParserFactory,
    RestJSONParser,
)

from exporter.aws.timestamps import unix_seconds


class _Strict(BaseJSONParser):
    """Takes only a list for a list.

    botocore walks over whatever is there: `{"invitations": {}}` would be an empty list, and an
    empty list means that nobody sent an invitation.
    """

    def _handle_list(self, shape: Any, node: object) -> Any:  # noqa: ANN401 -- botocore has no types
        if not isinstance(node, list):
            raise ResponseParserError(f"{shape.name} is no list")
        return super()._handle_list(shape, node)  # type: ignore[misc]  # not in the stubs

    def _parse_shape(self, shape: Any, node: object) -> Any:  # noqa: ANN401 -- botocore has no types
        # botocore looks at every string whether it is a header with JSON in it; here none is.
        if shape.type_name == "string":
            return node
        return super()._parse_shape(shape, node)  # type: ignore[misc]  # not in the stubs


class _StrictRestJSON(_Strict, RestJSONParser):
    """Macie's and Account's protocol."""


class _StrictJSON(_Strict, JSONParser):
    """Organizations' protocol."""


_CLASSES: Mapping[str, Any] = {
    **PROTOCOL_PARSERS,
    "rest-json": _StrictRestJSON,
    "json": _StrictJSON,
}


class Parsers(ResponseParserFactory):
    """Gives each protocol's parser, always the same: it keeps nothing from one answer to the next.

    botocore makes one for every answer.
    """

    def __init__(self) -> None:
        """Begin without parsers."""
        super().__init__()
        self._made: dict[str, ResponseParser] = {}

    def create_parser(self, protocol_name: str) -> ResponseParser:
        """Give the parser of a protocol."""
        parser = self._made.get(protocol_name)
        if parser is None:
            parser = _CLASSES[protocol_name](timestamp_parser=unix_seconds)
            self._made[protocol_name] = parser
        return parser
