"""Reloads, one after the other, where they hold nobody up. Knows nothing of what is loaded."""

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from queue import SimpleQueue

Reload = Callable[[], str | None]
"""Loads anew; gives the reason why that was refused, if it was. It does not raise."""

_STOPPING = "the exporter is stopping"


class Reloads:
    """A thread for what is asked for: to read a file may take for ever, as from a pipe.

    It is a daemon: it keeps neither the process from ending nor, meanwhile, anybody from answering.
    """

    def __init__(self, reload: Reload) -> None:
        """Make it; nothing runs yet."""
        self._reload = reload
        self._asked: SimpleQueue[Future[str | None] | None] = SimpleQueue()
        self._waiting: set[Future[str | None]] = set()
        self._lock = threading.Lock()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="reload", daemon=True)

    def start(self) -> None:
        """Begin with what has been asked for."""
        self._thread.start()

    def ask(self) -> "Future[str | None]":
        """Ask for a reload; its outcome comes with the future."""
        answer: Future[str | None] = Future()
        with self._lock:
            if self._stopped:
                answer.set_result(_STOPPING)
            else:
                self._waiting.add(answer)
                self._asked.put(answer)
        return answer

    def stop(self, timeout: float) -> None:
        """Let what has been asked for end within so many seconds; refuse what has not by then."""
        self._asked.put(None)
        self._thread.join(timeout)
        with self._lock:
            self._stopped = True
            waiting = tuple(self._waiting)
        for answer in waiting:
            self._settle(answer, _STOPPING)

    def _run(self) -> None:
        while (answer := self._asked.get()) is not None:
            self._settle(answer, self._reload())

    def _settle(self, answer: "Future[str | None]", outcome: str | None) -> None:
        with self._lock:
            self._waiting.discard(answer)
        # Who asked may have gone, and what hung may end after it was refused.
        with contextlib.suppress(InvalidStateError):
            answer.set_result(outcome)
