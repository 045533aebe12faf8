"""What the commands print and write."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.files import check_file
from fiftyone_hs2s.metrics import Problem
from fiftyone_hs2s.tables import percent, text_table, write_csv, write_json

__all__ = ["check_outputs", "percent", "print_problems", "text_table", "write_csv", "write_json"]


def print_problems(problems: Iterable[Problem]) -> None:
    """Says on stderr what was odd in the input, a line each."""
    for problem in problems:
        frames = [*problem.frames[:5], *(["..."] if len(problem.frames) > 5 else [])]
        where = f" ({len(problem.frames)}: {', '.join(frames)})" if frames else ""
        print(f"warning: {problem.sequence}: {problem.message}{where}", file=sys.stderr)


def check_outputs(*files: Path | None) -> None:
    """Refuses files that cannot be written, before the work instead of after it."""
    for file in files:
        if not file:
            continue
        if not (file.parent.is_dir() and os.access(file.parent, os.W_OK)):
            raise HS2SError(f"{file} cannot be written: its folder is missing or read-only.")
        target = Path(os.path.realpath(file))
        with suppress(FileNotFoundError):
            os.lstat(target)  # refuses names that are too long
            check_file(target, "output")
