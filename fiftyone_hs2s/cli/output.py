"""What the commands print and write: tables, JSON, CSV."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.files import check_file, new_file, write_text
from fiftyone_hs2s.metrics import Problem


def percent(value: float) -> str:
    """A share in 0..1 as percent with one decimal; a dash if there is none."""
    return "-" if value != value else f"{100 * value:.1f}"


def text_table(rows: Sequence[Sequence[Any]], total: bool = False) -> str:
    """Aligned columns, the first to the left; the first row is the head, and the last the total if there is one."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()  # a column each
        for row in cells
    ]
    rule = "-" * max(map(len, lines))
    body = [*lines[1:-1], rule, lines[-1]] if total else lines[1:]
    return "\n".join([lines[0], rule, *body])


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


def write_json(file: Path, data: Mapping[str, Any]) -> None:
    """Writes a JSON file."""
    write_text(file, json.dumps(data, indent=1) + "\n")


def write_csv(file: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes a CSV file, with the keys of the first row as head."""
    rows = list(rows)
    with new_file(file) as part, part.open("w", newline="", encoding="utf-8", errors="surrogateescape") as stream:
        writer = csv.DictWriter(stream, list(rows[0]) if rows else [])
        writer.writeheader()
        writer.writerows(rows)
