"""How far work on a dataset is, with FiftyOne's default."""

from __future__ import annotations

from contextlib import AbstractContextManager

import fiftyone as fo

from fiftyone_hs2s.progress import ProgressOption, Report, reporting


def fiftyone_reporting(progress: ProgressOption) -> AbstractContextManager[Report]:
    """:func:`fiftyone_hs2s.progress.reporting`, with a bar as ``fiftyone.config.show_progress_bars`` says
    for None."""
    return reporting(bool(fo.config.show_progress_bars) if progress is None else progress)
