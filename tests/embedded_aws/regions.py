"""Account Management's ListRegions: which regions an account has enabled."""

from http import HTTPStatus

from tests.embedded_aws.wire import ApiError, Caller, Request, Response, json_response
from tests.embedded_aws.world import World


def operation(request: Request) -> str:
    """Name the operation that a request is for."""
    known = (request.method, request.path) == ("POST", "/listRegions")
    return "ListRegions" if known else "UnknownOperation"


def respond(world: World, caller: Caller, request: Request) -> Response:
    """Answer one request of Account Management, of the caller's own account; raises ApiError."""
    if operation(request) != "ListRegions":
        raise ApiError(HTTPStatus.NOT_FOUND, "UnknownOperationException", "No such operation.")
    return json_response({"Regions": _regions(world, caller.account_id)})


def _regions(world: World, account: str) -> list[dict[str, str]]:
    listed = ((region, world.region_status(account, region)) for region in world.regions)
    return [
        {"RegionName": region, "RegionOptStatus": status} for region, status in listed if status
    ]
