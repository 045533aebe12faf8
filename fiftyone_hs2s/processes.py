"""Work in several processes, which leave signals to this one and end with it."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

from fiftyone_hs2s.command import SIGNALS


@contextmanager
def run_in_processes(
    function: Callable[..., Any], tasks: Iterable[tuple], num_workers: int
) -> Iterator[list[Future]]:
    """Calls a function in fresh processes: a fork of one with threads (PyTorch, FiftyOne) may hang.

    Args:
        function: what to call; can be imported by name
        tasks: the arguments of each call
        num_workers: number of processes

    Yields:
        the calls' futures, in the order of the tasks. Leaving the block by an exception ends the processes at
        once
    """
    pool = ProcessPoolExecutor(num_workers, mp_context=multiprocessing.get_context("spawn"))
    try:
        with _signals_wait():
            futures = [pool.submit(function, *task) for task in tasks]
        yield futures
    except BaseException:
        for process in list((pool._processes or {}).values()):  # Python 3.14 has terminate_workers()
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


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
