"""Work in several threads of this process, for tasks that wait for each other or for a device."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from queue import SimpleQueue
from threading import Event
from typing import Any

from fiftyone_hs2s.command import Stopped
from fiftyone_hs2s.engines import Engine, Result, Tell, Work, tell_nobody


class Threads(Engine):
    """Does tasks in threads. When the work is ended early, each task ends where it next reports progress.

    Args:
        capacity: how many
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity

    @contextmanager
    def _at_work(self, work: Work, tell: Tell) -> Iterator[None]:
        self._work, self._tell, self._ended = work, tell, Event()
        self._said: SimpleQueue[tuple[int, str, Any]] = SimpleQueue()
        with ThreadPoolExecutor(self.capacity, "hs2s-task") as self._pool:
            try:
                yield
            finally:
                self._ended.set()

    def _submit(self, index: int, task: Any) -> None:
        self._pool.submit(self._do, index, task)

    def _do(self, index: int, task: Any) -> None:
        try:
            said = "done", self._work(task, partial(self._report, index))
        except BaseException as error:
            said = "failed", error
        self._said.put((index, *said))

    def _report(self, index: int, event: Any) -> None:
        if self._ended.is_set():
            raise Stopped("the work was ended")
        if self._tell is not tell_nobody:  # or what is said would pile up
            self._said.put((index, "told", event))

    def _wait(self) -> Iterator[Result]:
        while True:
            index, kind, what = self._said.get()
            if kind == "done":
                yield Result(index, what)
                return
            if kind == "failed":
                raise what
            self._tell(index, what)
