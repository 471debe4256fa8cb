"""What signals ask the process for: to stop, in order or at once, or to reload."""

import os
import signal
from collections.abc import Callable
from enum import Enum
from queue import SimpleQueue
from types import FrameType

from exporter.clock import Stop


class Wish(Enum):
    """What somebody outside wants of the process."""

    STOP = "stop"
    RELOAD = "reload"


Wishes = SimpleQueue[Wish]
"""A queue whose `put` may be called from a signal handler."""


def handle_hangup(wishes: Wishes | None) -> None:
    """Have SIGHUP, which was held back until now, reload; without wishes it does as it did before.

    That is to end the process, whose terminal is gone: or nothing, as under nohup.
    """
    if wishes is not None:
        signal.signal(signal.SIGHUP, lambda *_: wishes.put(Wish.RELOAD))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})


def handle_stop(stop: Stop, wishes: Wishes, end: Callable[[int], object] = os._exit) -> None:
    """Have SIGTERM and SIGINT stop the process in order, a second one at once.

    For whoever looks at the stop from now on: a process that is waiting for something else, such as
    a file, would not end.
    """

    def on_stop(number: int, _: FrameType | None) -> None:
        if stop.is_set():
            end(128 + number)
        stop.set()
        wishes.put(Wish.STOP)

    signal.signal(signal.SIGTERM, on_stop)
    signal.signal(signal.SIGINT, on_stop)
