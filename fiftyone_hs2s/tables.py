"""Numbers for people and for programs: text tables, JSON, CSV."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tabulate import SEPARATING_LINE, tabulate

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.files import new_file, write_text

if TYPE_CHECKING:
    import pandas


def percent(value: float) -> str:
    """A share in 0..1 as percent with one decimal; a dash if there is none."""
    return "-" if value != value else f"{100 * value:.1f}"


def defined(value: Any) -> Any:
    """Numbers that are not defined as None, for JSON, which has no NaN; within dicts and tuples, too."""
    if isinstance(value, dict):
        return {key: defined(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [defined(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def text_table(rows: Sequence[Sequence[Any]], total: bool = False) -> str:
    """Aligned columns, the first to the left; the first row is the head, and the last the total if there
    is one."""
    head, *body = [[str(cell) for cell in row] for row in rows]
    lines: list[Any] = [*body[:-1], SEPARATING_LINE, body[-1]] if total else body
    align = ["left", *["right"] * (len(head) - 1)]
    return tabulate(lines, head, "simple", disable_numparse=True, colalign=align if body else None)


def data_frame(rows: Iterable[Mapping[str, Any]], columns: Sequence[str] | None = None) -> pandas.DataFrame:
    """Rows as a pandas data frame.

    Args:
        rows: with the same keys each
        columns: the columns, for a frame that may have no rows

    Raises:
        HS2SError: if pandas is not installed
    """
    try:
        import pandas
    except ImportError as error:
        raise HS2SError("a data frame needs pandas: pip install pandas") from error
    return pandas.DataFrame(list(rows), columns=columns)


def write_json(file: Path, data: Mapping[str, Any]) -> None:
    """Writes a JSON file."""
    write_text(file, json.dumps(data, indent=1) + "\n")


def write_csv(file: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes a CSV file, with the keys of the first row as head."""
    rows = list(rows)
    with (
        new_file(file) as part,
        part.open("w", newline="", encoding="utf-8", errors="surrogateescape") as stream,
    ):
        writer = csv.DictWriter(stream, list(rows[0]) if rows else [])
        writer.writeheader()
        writer.writerows(rows)
