"""What the process gives back of its memory. Knows nothing of what it is used for."""

import contextlib
import ctypes

_MMAP_THRESHOLD = -3
"""M_MMAP_THRESHOLD of glibc's mallopt(3)."""

_LARGE_BYTES = 256 * 1024


def give_back_large_blocks() -> None:
    """Have what is large go back to the system as soon as it is free, where that is glibc's to say.

    Left alone glibc raises that size to 32 MiB as large blocks are freed, and keeps them between
    small ones that stay: of 600 MB that slow clients had held, 260 MB were still there.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _LARGE_BYTES)
