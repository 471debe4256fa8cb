"""What the process gives back of its memory. Knows nothing of what it is used for."""

import contextlib
import ctypes
import gc

_MMAP_THRESHOLD = -3
"""M_MMAP_THRESHOLD of glibc's mallopt(3)."""

_LARGE_BYTES = 64 * 1024
"""With `zero_fill: all` blocks of the exposition have 400 kilobytes.

Each is new memory then, whenever one of its lines has changed: 0.2 ms, which makes a first round
cost a third more. With `zero_fill: invited` nearly all blocks are smaller, and it costs nothing.
"""

_LOOKS = (3_000, 3, 1_000)
"""New objects after which Python looks for garbage among them; after so many such looks it looks
among those too that outlived one, and after so many of these among all."""


def give_back_large_blocks() -> None:
    """Have what is large go back to the system as soon as it is free, where that is glibc's to say.

    Left alone glibc raises that size to 32 MiB as large blocks are freed, and keeps them between
    small ones that stay: of 700 MB that slow clients had held, 150 MB were still there.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _LARGE_BYTES)


def look_for_garbage_seldom() -> None:
    """Have Python look among all objects but seldom: nearly none need a look to be let go.

    Among what is known of 20,000 targets it takes 0.15 s, in which nothing else goes on, and left
    alone Python does so once a second at full speed. What is there now, such as modules, is never
    looked at.
    """
    gc.freeze()
    gc.set_threshold(*_LOOKS)
    gc.enable()
