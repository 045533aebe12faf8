"""Work in several processes of this machine, which leave signals to this one and end with it."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import Pipe
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from fiftyone_hs2s.command import SIGNALS
from fiftyone_hs2s.engines import Engine, Result, Tell, Work
from fiftyone_hs2s.errors import HS2SError

_START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); " + (
    "from fiftyone_hs2s.worker_process import serve; serve(int(sys.argv[2]), sys.argv[3], int(sys.argv[4]))"
)
_PATIENCE = 10
"""Seconds in which a process that is asked to stop tidies up."""


class Processes(Engine):
    """Does tasks in fresh processes, each of which takes the next one as soon as it is free.

    A fork of a process with threads (PyTorch, FiftyOne) may hang, and what ``multiprocessing`` starts afresh
    runs the user's script once more: these are started by themselves. They share this process's threads
    (``OMP_NUM_THREADS``, else one a core). One that is killed loses its task; another one takes its place.

    Args:
        num_workers: how many
        environments: variables for them, one mapping after the other
        at_once: tasks that each does at once, in threads
    """

    def __init__(
        self, num_workers: int, environments: Sequence[Mapping[str, str]] = ({},), at_once: int = 1
    ) -> None:
        self.capacity, self._places = num_workers * at_once, range(num_workers)
        self._environments, self._at_once = environments, at_once

    @contextmanager
    def _at_work(self, work: Work, tell: Tell) -> Iterator[None]:
        self._tell = tell
        self._workers: dict[int, _Worker] = {}
        with tempfile.TemporaryDirectory(prefix="hs2s-") as folder:
            self._work = Path(folder) / "work.pickle"
            self._work.write_bytes(_packed(work))
            try:
                with _signals_wait():
                    for place in self._places:
                        self._start(place)
                yield
                for worker in self._workers.values():
                    worker.dismiss()
            except BaseException:
                for worker in self._workers.values():
                    worker.process.terminate()
                raise
            finally:
                for worker in self._workers.values():
                    worker.end()

    def _start(self, place: int) -> None:
        threads = int(os.environ.get("OMP_NUM_THREADS") or available_cores())
        shared = {"OMP_NUM_THREADS": str(max(1, threads // len(self._places)))}
        environment = {**os.environ, **shared, **self._environments[place % len(self._environments)]}
        self._workers[place] = _Worker(self._work, environment, self._at_once)

    def _submit(self, index: int, task: Any) -> None:
        for place in self._places:
            if place not in self._workers:  # one was lost
                with _signals_wait():
                    self._start(place)
        min(self._workers.values(), key=lambda worker: len(worker.tasks)).give(index, task)

    def _wait(self) -> Iterator[Result]:
        found: list[Result] = []
        while not found:
            by_connection = {worker.connection: place for place, worker in self._workers.items()}
            for connection in wait(list(by_connection)):
                found += self._hear(by_connection[connection])  # type: ignore[index]
        yield from found

    def _hear(self, place: int) -> list[Result]:
        """Takes what a process says; its results if it has any."""
        worker = self._workers[place]
        try:
            kind, said = worker.connection.recv()
        except (EOFError, OSError):
            return self._lose(place)
        if kind == "ready":
            worker.ready = True
        elif kind == "log":
            _log(said)
        elif kind == "failed":
            error, cause = pickle.loads(said)
            raise error from (RuntimeError(cause) if cause else None)
        elif kind == "told":
            self._tell(*said)
        else:
            index, packed = said
            worker.tasks.remove(index)
            return [Result(index, pickle.loads(packed))]
        return []

    def _lose(self, place: int) -> list[Result]:
        worker = self._workers.pop(place)
        worker.end()
        status = worker.process.returncode
        if not worker.ready:
            raise HS2SError(f"a worker process could not start, {_ending(status)}")
        return [Result(index, lost=f"its process {_ending(status)}") for index in sorted(worker.tasks)]


class _Worker:
    """A process and what it is doing.

    Attributes:
        tasks: the numbers of its tasks
        ready: whether it has read what to do
    """

    def __init__(self, work: Path, environment: Mapping[str, str], at_once: int) -> None:
        self.tasks: set[int] = set()
        self.ready = False
        self.connection, theirs = Pipe()
        with theirs:
            arguments = [json.dumps([*map(str, sys.path)]), str(theirs.fileno()), str(work), str(at_once)]
            self.process = subprocess.Popen(
                [sys.executable, "-c", _START, *arguments], env=environment, pass_fds=[theirs.fileno()]
            )

    def give(self, index: int, task: Any) -> None:
        self.tasks.add(index)
        with suppress(OSError):  # it is gone, which is noticed when it is waited for
            self.connection.send_bytes(_packed((index, task)))

    def dismiss(self) -> None:
        """Tells it that there is nothing more to do."""
        with suppress(OSError):
            self.connection.send_bytes(_packed(None))

    def end(self) -> None:
        """Waits until it has ended, which a process that does not is made to."""
        try:
            self.process.wait(_PATIENCE)
        except BaseException as error:
            self.process.kill()
            self.process.wait()
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
        finally:
            self.connection.close()


def available_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _packed(value: Any) -> bytes:
    try:
        return pickle.dumps(value)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise HS2SError(
            f"this cannot be done in other processes ({error}): use num_workers=1, or define what it uses in"
            " a module"
        ) from error


def _log(record: Any) -> None:
    import logging

    logger = logging.getLogger(record.name)
    if logger.isEnabledFor(record.levelno):
        logger.handle(record)


def _ending(status: int | None) -> str:
    if status is not None and status < 0:
        hint = ", as a system does that runs out of memory" if -status == signal.SIGKILL else ""
        return f"was killed by signal {-status}{hint}"
    return f"ended with status {status}: what it printed says why"


@contextmanager
def _signals_wait() -> Iterator[None]:
    """Signals come when all processes are started, not in the midst of one; Ctrl-C never reaches these."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals come to the main thread
        return
    came: list[int] = []
    handlers = {number: handler for number in SIGNALS if callable(handler := signal.getsignal(number))}
    for number in handlers:
        signal.signal(number, lambda number, _: came.append(number))
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])  # inherited
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for first in came[:1]:
            signal.raise_signal(first)
