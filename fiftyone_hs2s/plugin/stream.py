"""Progress of long work, as operators report it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from queue import Queue
from threading import Event, Thread
from typing import Any

_INTERVAL = 0.5
"""Seconds between two reports: what a browser can follow."""


def throttle(report: Callable[[Any], None]) -> Callable[[Any], None]:
    """Wraps a function so that calls in quick succession are dropped, except the first."""
    due = 0.0

    def throttled(event: Any) -> None:
        nonlocal due
        if time.monotonic() >= due:
            due = time.monotonic() + _INTERVAL
            report(event)

    return throttled


class Stream:
    """Runs work in a thread and iterates over what it reports meanwhile.

    What the work raises is raised by the iteration. Closing the iteration stops the work at its next report.

    Args:
        work: called with a function to report with

    Attributes:
        result: what the work returned, after the iteration
    """

    result: Any = None

    def __init__(self, work: Callable[[Callable[[Any], None]], Any]) -> None:
        self._work = work
        self._queue: Queue[tuple[str, Any]] = Queue()
        self._closed = Event()

    def __iter__(self) -> Iterator[Any]:
        thread = Thread(target=self._run, name="hs2s-operator", daemon=True)
        thread.start()
        try:
            while (entry := self._queue.get())[0] == "report":
                yield entry[1]
        finally:
            self._closed.set()
            thread.join()
        if entry[0] == "error":
            raise entry[1]
        self.result = entry[1]

    def _run(self) -> None:
        try:
            self._queue.put(("result", self._work(self._report)))
        except BaseException as error:
            self._queue.put(("error", error))

    def _report(self, event: Any) -> None:
        if self._closed.is_set():
            raise SystemExit("the operator was stopped")  # no Exception: it must not pass for a sample's failure
        self._queue.put(("report", event))
