"""Where tasks are done: in this process, in several of this machine, or on a cluster."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import chain
from typing import Any, NamedTuple

from fiftyone_hs2s.errors import HS2SError

Work = Callable[..., Any]
"""Called with a task and a function that is told the progress; what it raises ends all work."""
Tell = Callable[[int, Any], object]
"""Is told the number of a task, from 0, and its progress, in whatever words the work has for it."""


def tell_nobody(index: int, event: Any) -> None:
    """Nobody wants to know how far tasks are."""


_WINDOW = 4
"""Tasks for each place at work that may be finished before an earlier one is: their results are held."""


class Result(NamedTuple):
    """What came of a task.

    Attributes:
        number: the place of the task among them, from 0
        value: what the work returned
        lost: why nothing came of it, where what was doing it is gone; None otherwise
    """

    number: int
    value: Any = None
    lost: str | None = None


class Engine(ABC):
    """Does tasks, several at once."""

    capacity: int
    """How many tasks are handed out at once."""
    tries_again = False
    """Whether a task may be begun anew, elsewhere, when what was doing it is gone."""

    def results(
        self,
        work: Work,
        tasks: Iterable[Any],
        tell: Tell = tell_nobody,
        in_order: bool = False,
    ) -> Generator[Result]:
        """Does each task once. Closing the iterator ends what is being done.

        Args:
            work: what to do: ``work(task, report)``. It may be sent to other processes, and so may the tasks
                and what it returns
            tasks: taken one by one, as there is somebody to do them
            tell: is told how far the tasks are
            in_order: whether the results come in the order of the tasks, else as they are finished

        Yields:
            what came of each task

        Raises:
            Exception: what the work raised
        """
        numbered: Iterator[tuple[int, Any]] = enumerate(tasks)
        if (begin := next(numbered, None)) is None:
            return  # processes take seconds to start: none does for nothing
        numbered = chain([begin], numbered)
        held: dict[int, Result] = {}
        running, first, last, more = 0, 0, -1, True
        with self._at_work(work, tell):
            while True:
                while more and running < self.capacity and not (in_order and last - first >= self._window):
                    task = next(numbered, None)
                    if more := task is not None:
                        last = task[0]
                        self._submit(*task)
                        running += 1
                if not running:
                    return
                for result in self._wait():
                    running -= 1
                    held[result.number] = result
                    if not in_order:
                        yield held.pop(result.number)
                while in_order and first in held:
                    yield held.pop(first)
                    first += 1

    @property
    def _window(self) -> int:
        return _WINDOW * self.capacity

    @abstractmethod
    def _at_work(self, work: Work, tell: Tell) -> AbstractContextManager[Any]:
        """A context in which tasks can be done; leaving it ends all of them."""

    @abstractmethod
    def _submit(self, index: int, task: Any) -> None:
        """Hands out a task."""

    @abstractmethod
    def _wait(self) -> Iterator[Result]:
        """Waits until something has come of one of the tasks or more."""


class InThisProcess(Engine):
    """Does the tasks here, one after the other."""

    capacity = 1

    def _at_work(self, work: Work, tell: Tell) -> AbstractContextManager[Any]:
        self._work, self._tell = work, tell
        return nullcontext()

    def _submit(self, index: int, task: Any) -> None:
        self._task = index, task

    def _wait(self) -> Iterator[Result]:
        index, task = self._task
        yield Result(index, self._work(task, lambda event: self._tell(index, event)))


def get_engine(
    num_workers: int | Engine | None,
    num_tasks: int,
    environments: Sequence[Mapping[str, str]] = ({},),
    at_once: int = 1,
) -> Engine:
    """The engine that an argument ``num_workers`` asks for: a number of processes, or an engine itself.

    Args:
        num_workers: None for one process for each environment; 1 or less for this process
        num_tasks: how many tasks there are: more processes or threads are not started
        environments: variables for the processes, one mapping after the other
        at_once: tasks that each process does at once, in threads; an engine does as it was told

    Raises:
        HS2SError: if ``at_once`` is below 1, or an engine should do tasks of a process at once
    """
    if at_once < 1:
        raise HS2SError(f"at least one video must be tracked at a time, not batch_videos={at_once}")
    if isinstance(num_workers, Engine):
        if at_once > 1:
            raise HS2SError("batch_videos is for the processes of one machine: leave it at 1 on a cluster")
        return num_workers
    count = min(len(environments) if num_workers is None else num_workers, num_tasks)
    at_once = min(at_once, -(-num_tasks // max(1, count)))
    if count <= 1 and at_once <= 1:
        return InThisProcess()
    if count <= 1:
        from fiftyone_hs2s.threads import Threads

        return Threads(at_once)
    from fiftyone_hs2s.processes import Processes

    return Processes(count, environments, at_once)
