"""What signals ask of the process: to stop, in order or at once, or to reload."""

import asyncio
import os
import signal
from collections.abc import Callable


def handle_stop(stop: Callable[[], object], end: Callable[[int], object] = os._exit) -> None:
    """Have SIGTERM and SIGINT call `stop` in the running loop; a second one ends the process."""
    asked = False

    def on_stop(number: int) -> None:
        nonlocal asked
        if asked:
            end(128 + number)
        asked = True
        stop()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_stop, number)


def handle_hangup(reload: Callable[[], object] | None = None) -> None:
    """Have SIGHUP, which was held back until now, reload; without that it does as it did before.

    That is to end the process, whose terminal is gone: or nothing, as under nohup.
    """
    if reload is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
