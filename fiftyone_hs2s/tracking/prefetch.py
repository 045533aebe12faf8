"""Running an iterator ahead in a thread."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import TypeVar

T = TypeVar("T")
_END = object()


def prefetch(items: Iterable[T], depth: int = 4) -> Iterator[T]:
    """Yields the items of an iterable, which runs up to ``depth`` items ahead in a thread of its own.

    What the iterable raises is raised here, in its place. The thread ends when the iterator is exhausted or closed.

    Args:
        items: what to run ahead; touched by the thread only
        depth: how many items may wait
    """
    queue: Queue = Queue(depth)
    stop = Event()
    thread = Thread(target=_fill, args=(items, queue, stop), name="hs2s-prefetch", daemon=True)
    thread.start()
    try:
        while True:
            item, error = queue.get()
            if error is not None:
                raise error
            if item is _END:
                return
            yield item
    finally:
        stop.set()
        _drain(queue)
        thread.join()


def _fill(items: Iterable, queue: Queue, stop: Event) -> None:
    try:
        for item in items:
            if not _put(queue, (item, None), stop):
                return
        _put(queue, (_END, None), stop)
    except BaseException as error:
        _put(queue, (None, error), stop)


def _put(queue: Queue, entry: tuple, stop: Event) -> bool:
    """Waits for a free place, unless told to stop."""
    while not stop.is_set():
        try:
            queue.put(entry, timeout=0.2)
        except Full:
            continue
        return True
    return False


def _drain(queue: Queue) -> None:
    try:
        while True:
            queue.get_nowait()
    except Empty:
        pass
