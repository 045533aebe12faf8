"""What every command does around its work: errors as a sentence, signals that end it cleanly."""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.files import reason

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""What Ctrl-C and ``kill`` send, schedulers to all processes of a run."""


class Stopped(KeyboardInterrupt):
    """A signal asked to stop."""


class StopSignals:
    """Makes Ctrl-C and ``kill`` raise :class:`Stopped`, once: what cleans up after it is not disturbed by a
    second one.

    A signal that is ignored, as under ``nohup``, stays so. A third one after that ends the process on the
    spot.

    Args:
        ask: the first signal only asks: :meth:`check` raises then, at a place where to stop is cheap; the
            second one raises at once

    Attributes:
        number: the signal that came first, None if none did
        raised: whether :class:`Stopped` was raised
    """

    def __init__(self, ask: bool = False) -> None:
        self.number: int | None = None
        self.raised = False
        self._ask, self._late = ask, 0
        self._before: dict[int, Any] = {}
        self._hook = sys.unraisablehook

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            handlers = {number: signal.getsignal(number) for number in SIGNALS}
            self._before = {
                number: handler for number, handler in handlers.items() if handler != signal.SIG_IGN
            }
            for number in self._before:
                signal.signal(number, self._come)
            sys.unraisablehook = self._lost
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            # After a signal the process is about to end, and nothing may disturb that.
            signal.signal(number, signal.SIG_IGN if self.raised else handler)
        sys.unraisablehook = self._hook

    def check(self, *_: object) -> None:
        """Raises :class:`Stopped` if a signal asked to stop."""
        if self.number is not None and not self.raised:
            self._stop()

    def _come(self, number: int, _frame: Any) -> None:
        first = self.number is None
        self.number = self.number or number
        if not self.raised and not (self._ask and first):
            self._stop()
        if self.raised:
            self._late += 1
        if self._late > 1:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    def _stop(self) -> None:
        self.raised = True
        raise Stopped("terminated" if self.number == signal.SIGTERM else "interrupted")

    def _lost(self, unraisable: Any) -> None:
        """Where a signal comes in a destructor, Python drops the exception: it is raised once more."""
        if isinstance(unraisable.exc_value, Stopped):
            self.raised = False
            threading.Timer(0.01, _thread.interrupt_main, [self.number]).start()
        else:
            self._hook(unraisable)


def run_command(name: str, work: Callable[[StopSignals], int], ask: bool = False) -> int:
    """Does the work of a command.

    Args:
        name: the command's name, with which messages begin
        work: what to do; is given the signals, and returns the exit status
        ask: see :class:`StopSignals`

    Returns:
        the exit status: that of ``work``; 2 for an error that the user can fix, said in one sentence on
            stderr; 128
        and the signal's number for Ctrl-C and ``kill``
    """
    signals = StopSignals(ask)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files may be no text
    with signals:
        try:
            status = work(signals)
            if sys.stdout:
                sys.stdout.flush()
            return status
        except SystemExit:
            raise
        except BaseException as error:
            if signals.raised or isinstance(error, KeyboardInterrupt):
                # whatever an import, or a worker that got the signal too, made of it
                said = str(error) if isinstance(error, KeyboardInterrupt) else ""
                return _end(name, said or "interrupted", 128 + (signals.number or signal.SIGINT))
            if isinstance(error, BrokenPipeError):  # nobody reads on, as with `| head`
                return _end(name, "", 128 + signal.SIGPIPE)
            if isinstance(error, HS2SError | OSError | MemoryError):
                return _end(name, _sentence(error), 2)
            raise


def _sentence(error: Exception) -> str:
    """An error in a sentence; one of the system with the path that it is about."""
    path = getattr(error, "filename", None)
    return (
        f"{os.fsdecode(path)} cannot be used ({reason(error)})"
        if isinstance(path, str | bytes)
        else reason(error)
    )


def _end(name: str, said: str, status: int) -> int:
    """Says why on stderr. What stdout did not take is dropped, or Python would complain at its exit."""
    with contextlib.suppress(OSError):
        if said:
            print(f"{name}: {said}", file=sys.stderr)
    try:
        if sys.stdout:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return status
