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
    """Answer one request of Account Management; raises ApiError."""
    if operation(request) != "ListRegions":
        raise ApiError(HTTPStatus.NOT_FOUND, "UnknownOperationException", "No such operation.")
    wanted = json_body(request)
    account = _account(world, caller, wanted.get("AccountId"))
    regions = _regions(world, account, wanted.get("RegionOptStatusContains"))
    start = _start(regions, wanted.get("NextToken"))
    end = start + min(_limit(wanted.get("MaxResults")), world.page_limit or MAX_RESULTS)
    answer: dict[str, object] = {"Regions": regions[start:end]}
    if end < len(regions):
        answer["NextToken"] = regions[end]["RegionName"]
    return json_response(answer)


def _account(world: World, caller: Caller, wanted: object) -> str:
    """Return the account asked for; another's only for the management account or its delegate."""
    if wanted is None or wanted == caller.account_id:
        return caller.account_id
    organization = world.organization()
    members = {one.account_id for one in organization.accounts} if organization else set()
    if wanted in members and world.may_list_organization(caller.account_id):
        return str(wanted)
    message = f"User: {caller.arn} is not authorized to perform: account:ListRegions"
    raise ApiError(HTTPStatus.FORBIDDEN, "AccessDeniedException", message)


def _regions(world: World, account: str, statuses: object) -> list[dict[str, str]]:
    listed = ((region, world.region_status(account, region)) for region in world.regions)
    return [
        {"RegionName": region, "RegionOptStatus": status}
        for region, status in listed
        if status and (not isinstance(statuses, list) or status in statuses)
    ]


def _limit(wanted: object) -> int:
    if wanted is None:
        return MAX_RESULTS
    if isinstance(wanted, int) and 1 <= wanted <= MAX_RESULTS:
        return wanted
    message = f"MaxResults is not between 1 and {MAX_RESULTS}."
    raise ApiError(HTTPStatus.BAD_REQUEST, "ValidationException", message)


def _start(regions: list[dict[str, str]], token: object) -> int:
    if token is None:
        return 0
    for index, region in enumerate(regions):
        if region["RegionName"] == token:
            return index
    raise ApiError(HTTPStatus.BAD_REQUEST, "ValidationException", "NextToken is not valid.")
