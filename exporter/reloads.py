"""Reloads, one after the other, where they hold nobody up. Knows nothing of what is loaded."""

import contextlib
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, InvalidStateError

Reload = Callable[[], str | None]
"""Loads anew; gives the reason why that was refused, if it was. It does not raise."""

_STOPPING = "the exporter is stopping"

_Asked = list["Future[str | None]"]


class Reloads:
    """A thread for what is asked for: to read a file may take its time, as from a pipe.

    One reload serves all who asked before it began. The thread is a daemon: it keeps neither the
    process from ending nor, meanwhile, anybody from answering.
    """

    def __init__(self, reload: Reload) -> None:
        """Make it; nothing runs yet."""
        self._reload = reload
        self._changed = threading.Condition()
        self._asked: _Asked = []
        self._served: _Asked = []
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="reload", daemon=True)

    def start(self) -> None:
        """Begin with what has been asked for."""
        self._thread.start()

    def ask(self) -> "Future[str | None]":
        """Ask for a reload; its outcome comes with the future."""
        answer: Future[str | None] = Future()
        with self._changed:
            if self._stopped:
                answer.set_result(_STOPPING)
            else:
                self._asked.append(answer)
                self._changed.notify()
        return answer

    def stop(self, timeout: float) -> None:
        """Let the one under way end within so many seconds; refuse what has not by then."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._thread.join(timeout)
        with self._changed:
            _settle([*self._served, *self._asked], _STOPPING)

    def _run(self) -> None:
        while self._next():
            _settle(self._served, self._reload())

    def _next(self) -> bool:
        """Wait for somebody who asks; tell whether to go on."""
        with self._changed:
            self._changed.wait_for(lambda: self._asked or self._stopped)
            if self._stopped:
                return False
            self._served, self._asked = self._asked, []
            return True


def _settle(answers: "Iterable[Future[str | None]]", outcome: str | None) -> None:
    for answer in answers:
        # Who asked may have gone, and what hung may end after it was refused.
        with contextlib.suppress(InvalidStateError):
            answer.set_result(outcome)
