"""Signals that ask a run to stop are its main process's business."""

from __future__ import annotations

import signal

from fiftyone_hs2s.command import SIGNALS


def leave_stopping_to_main(_worker: int) -> None:
    """Called in a worker process: there the signals do nothing; it ends when the main process ends."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
