"""A run that is asked to stop ends between two steps, where what it saves is whole."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""What Ctrl+C and ``kill`` send, schedulers to all processes of a run."""


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

    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number, handler in before.items():
        if handler != signal.SIG_IGN:
            signal.signal(number, ask)
    try:
        yield check
    finally:
        restore()


def leave_stopping_to_main(_worker: int) -> None:
    """Called in a worker process: there the signals do nothing; it ends when the main process ends."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
