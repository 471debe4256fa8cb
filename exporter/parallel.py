"""Maps a function over items on a few threads that cannot keep the process from ending."""

import threading
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

WORKERS = 16


def in_parallel(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Give the function's results in the order of the items; the function must not raise."""
    work: SimpleQueue[int] = SimpleQueue()
    for index in range(len(items)):
        work.put(index)
    results: dict[int, Result] = {}

    def run() -> None:
        while True:
            try:
                index = work.get_nowait()
            except Empty:
                return
            results[index] = function(items[index])

    # Not an executor: those threads are waited for when the interpreter ends.
    count = min(WORKERS, len(items))
    threads = [threading.Thread(target=run, name=f"ask-{n}", daemon=True) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [results[index] for index in range(len(items))]
