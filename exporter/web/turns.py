"""Who is compared next, where one comparison runs at a time: users in turn, then addresses.

Nobody's place depends on how many requests a stranger sends: each user has a turn, and of those
who ask as one user, each address. Those with one address and one user, whom nothing tells apart,
come in their order.
"""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import AsyncIterator

_Places = list["asyncio.Future[bool]"]
"""Of those who wait, the first first; told whether they have the turn or go without."""

_Lanes = OrderedDict[str, _Places]
"""By address, the one whose turn is next first."""


class CrowdedError(Exception):
    """Too many wait, and this one is the one to go."""


class Turns:
    """Gives turns, one at a time; for one event loop."""

    def __init__(self, room: int) -> None:
        """Take how many may wait."""
        self._room = room
        self._taken = False
        self._users: OrderedDict[bytes, _Lanes] = OrderedDict()

    @contextlib.asynccontextmanager
    async def turn(self, user: bytes, address: str) -> AsyncIterator[None]:
        """Wait for one's turn, and have it until the block ends.

        Raises CrowdedError where too many wait, and nobody else has more that do.
        """
        if self._taken:
            await self._wait(user, address)
        self._taken = True
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, user: bytes, address: str) -> None:
        if sum(map(_count, self._users.values())) >= self._room:
            self._make_room(user, address)
        place: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._users.setdefault(user, OrderedDict()).setdefault(address, []).append(place)
        try:
            if not await place:
                raise CrowdedError
        except asyncio.CancelledError:
            if not place.cancelled() and place.result():
                self._pass_on()
            raise

    def _make_room(self, user: bytes, address: str) -> None:
        """Have the last one go, of whoever has the most who wait."""
        crowd = max(self._users, key=lambda each: (_count(self._users[each]), each == user))
        lanes = self._users[crowd]
        longest = max(lanes, key=lambda each: (len(lanes[each]), each == address))
        rest = len(lanes[longest]) if crowd == user else _count(lanes)
        if (crowd, longest) == (user, address) or rest == 1:
            raise CrowdedError
        _settle(lanes[longest].pop(), has_turn=False)
        self._tidy(crowd, longest)

    def _pass_on(self) -> None:
        while self._users:
            user, lanes = next(iter(self._users.items()))
            address, places = next(iter(lanes.items()))
            place = places.pop(0)
            lanes.move_to_end(address)
            self._users.move_to_end(user)
            self._tidy(user, address)
            if _settle(place, has_turn=True):
                return
        self._taken = False

    def _tidy(self, user: bytes, address: str) -> None:
        lanes = self._users[user]
        if not lanes[address]:
            del lanes[address]
        if not lanes:
            del self._users[user]


def _count(lanes: _Lanes) -> int:
    return sum(map(len, lanes.values()))


def _settle(place: "asyncio.Future[bool]", *, has_turn: bool) -> bool:
    """Tell somebody; tell whether there is still somebody to tell."""
    if place.done():
        return False
    place.set_result(has_turn)
    return True
