"""Account Management's ListRegions: which regions an account has enabled."""

from http import HTTPStatus
from typing import Final

from tests.embedded_aws.wire import ApiError, Caller, Request, Response, json_body, json_response
from tests.embedded_aws.world import World

MAX_RESULTS: Final = 50


def operation(request: Request) -> str:
    """Name the operation that a request is for."""
    known = (request.method, request.path) == ("POST", "/listRegions")
    return "ListRegions" if known else "UnknownOperation"


def respond(world: World, caller: Caller, request: Request) -> Response:
    """Answer one request of Account Management, of the caller's own account; raises ApiError."""
    if operation(request) != "ListRegions":
        raise ApiError(HTTPStatus.NOT_FOUND, "UnknownOperationException", "No such operation.")
    wanted = json_body(request)
    regions = _regions(world, caller.account_id)
    start = _start(regions, wanted.get("NextToken"))
    end = start + (world.page_limit or MAX_RESULTS)
    answer: dict[str, object] = {"Regions": regions[start:end]}
    if end < len(regions):
        answer["NextToken"] = regions[end]["RegionName"]
    return json_response(answer)


def _regions(world: World, account: str) -> list[dict[str, str]]:
    listed = ((region, world.region_status(account, region)) for region in world.regions)
    return [
        {"RegionName": region, "RegionOptStatus": status} for region, status in listed if status
    ]


def _start(regions: list[dict[str, str]], token: object) -> int:
    if token is None:
        return 0
    for index, region in enumerate(regions):
        if region["RegionName"] == token:
            return index
    raise ApiError(HTTPStatus.BAD_REQUEST, "ValidationException", "NextToken is not valid.")
