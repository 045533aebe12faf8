"""A run that is asked to stop ends between two steps, where what it saves is whole."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class StoppedError(Exception):
    """A signal asked to stop; ``number`` is the signal's."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


@contextmanager
def stop_between_steps() -> Iterator[Callable[..., None]]:
    """Yields a progress callback that raises :class:`StoppedError` after the step in which Ctrl+C or ``kill`` came.

    The second signal stops at once. A signal that is ignored, as under ``nohup``, stays so.
    """
    asked: list[int] = []

    def ask(number: int, _frame: Any) -> None:
        asked.append(number)
        restore()

    def check(*_: Any) -> None:
        if asked:
            raise StoppedError(asked[0])

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number, handler in before.items():
        if handler != signal.SIG_IGN:
            signal.signal(number, ask)
    try:
        yield check
    finally:
        restore()
