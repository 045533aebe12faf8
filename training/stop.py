"""A run that is asked to stop ends between two steps, where what it saves is whole."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from training.loop import Progress


class StoppedError(Exception):
    """A signal asked to stop; ``number`` is the signal's."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


@contextmanager
def stop_between_steps() -> Iterator[Progress]:
    """Yields a progress callback that raises :class:`StoppedError` after the step in which Ctrl+C or ``kill`` came.

    The second signal stops at once. A signal that is ignored, as under ``nohup``, stays so.
    """
    asked: list[int] = []

    def ask(number: int, _frame: Any) -> None:
        asked.append(number)
        signal.signal(number, before[number])

    def check(*_: Any) -> None:
        if asked:
            raise StoppedError(asked[0])

    numbers = [n for n in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(n) != signal.SIG_IGN]
    before = {int(number): signal.signal(number, ask) for number in numbers}
    try:
        yield check
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
