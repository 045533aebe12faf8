"""Running an iterator ahead in a thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
_END: object = object()


def prefetch(items: Iterable[T], depth: int = 4) -> Iterator[T]:
    """Yields the items of an iterable, which runs up to ``depth`` items ahead in a thread of its own.

    What the iterable raises is raised here, in its place. The thread ends when the iterator is exhausted or
    closed.

    Args:
        items: what to run ahead; touched by the thread only
        depth: how many items may wait
    """
    iterator = iter(items)
    pool = ThreadPoolExecutor(1, "hs2s-prefetch")
    ahead: deque[Future] = deque(pool.submit(next, iterator, _END) for _ in range(depth))
    try:
        while (item := ahead.popleft().result()) is not _END:
            ahead.append(pool.submit(next, iterator, _END))
            yield item
    finally:
        pool.shutdown(cancel_futures=True)
