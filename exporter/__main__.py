"""The process's first lines, for `python -m exporter` and the console command alike."""

import gc
import os
import signal
from types import FrameType


def main() -> None:
    """Run; until a command looks after signals itself, the first that ends a process does.

    SIGHUP is held back until it is known whether it is to end the command or to reload: importing
    what tells that takes a while.
    """
    # In Python's hands from the first moment on: process 1 of a container has no other way to end.
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, _end)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # As under nohup.
        signal.signal(signal.SIGHUP, _end)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    # Until all is imported, which stays: to look for garbage among it takes a tenth of the start.
    gc.disable()
    from exporter.commands import run  # noqa: PLC0415 -- as said above

    run()


def _end(number: int, _: FrameType | None) -> None:
    """End by the signal itself, as whoever started the process expects to see.

    The kernel spares process 1, which then exits as a shell would say of the signal.
    """
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)
    os._exit(128 + number)


if __name__ == "__main__":
    main()
