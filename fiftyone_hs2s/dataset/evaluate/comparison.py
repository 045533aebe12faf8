"""What a comparison of evaluations says: tables, a plot, and views of what got better or worse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import fiftyone as fo

from fiftyone_hs2s.dataset.compat import Samples, is_image_groups
from fiftyone_hs2s.dataset.evaluate import figures
from fiftyone_hs2s.dataset.sample_views import all_samples
from fiftyone_hs2s.tables import data_frame, percent, text_table

if TYPE_CHECKING:
    import pandas
    import plotly.graph_objects as go

By: TypeAlias = Literal["sample", "object"]
BY: tuple[By, ...] = ("sample", "object")
"""What a table can have a row for."""
PAPER_DATA = "YouTube-VOS 2018, validation"
"""What the rows of the paper were measured on."""

_NOISE = 1e-9
"""Changes up to this are rounding."""


@dataclass(frozen=True)
class Comparison:
    """Evaluations on what all of them have scored."""

    rows: list[dict[str, Any]]
    """By evaluation: ``name``, ``J``, ``F``, ``JF``, ``J_decay``, ``F_decay``, ``change`` (of J&F against
    the first), ``objects`` that are shared, ``of`` how many of its own; rows of the paper have the scores
    alone."""
    notes: list[str] = field(default_factory=list)
    """What the evaluations do not share, and is left out, in sentences."""
    tables: dict[By, list[dict[str, Any]]] = field(default_factory=dict)
    """By sample and by object: ``sample_id``, ``sample`` (its file), ``object`` (its name; by object alone),
    ``<key>_JF`` of each evaluation, and ``change``, that of the last one less that of the first. The greatest
    loss comes first."""
    by: By | None = None
    """Which of the tables :meth:`print` and :meth:`to_dataframe` show."""
    samples: Samples | None = field(default=None, repr=False)
    """What was compared."""

    def worse(self, margin: float = 0.0) -> fo.DatasetView:
        """The samples where the last evaluation is worse than the first, the greatest loss first.

        Args:
            margin: by more than this, in J&F (0..1)

        Returns:
            a view of the dataset, whose samples may be filtered further
        """
        return self._view([row for row in self.tables["sample"] if row["change"] < -margin - _NOISE])

    def better(self, margin: float = 0.0) -> fo.DatasetView:
        """The samples where the last evaluation is better than the first, the greatest gain first.

        Args:
            margin: by more than this, in J&F (0..1)
        """
        return self._view([row for row in self.tables["sample"][::-1] if row["change"] > margin + _NOISE])

    def to_dataframe(self) -> pandas.DataFrame:
        """The table by sample or by object if that was asked for, else that by name of the evaluation.

        Raises:
            HS2SError: if pandas is not installed
        """
        return data_frame(self.tables[self.by]) if self.by else data_frame(self.rows).set_index("name")

    def print(self, worst: int = 20) -> None:
        """Prints the tables in percent, and apart from them what the paper reports.

        Args:
            worst: how many samples or objects to list
        """
        own = [row for row in self.rows if "objects" in row]
        print(_table(own, ["J", "F", "JF", "change", "J_decay", "F_decay"], ["objects", "of"]))
        if self.by:
            print(f"\n{self._parts(worst)}")
        for note in self.notes:
            print(f"note: {note}")
        if paper := [row for row in self.rows if "objects" not in row]:
            print(f"\nreported in the HS2S paper, on other data ({PAPER_DATA}):")
            print(_table(paper, ["J", "F", "JF"]))

    def plot(self) -> go.Figure:
        """J, F and J&F as bars."""
        return figures.figure(figures.comparison(self.rows), figures.COMPARISON)

    def _view(self, rows: list[dict[str, Any]]) -> fo.DatasetView:
        assert self.samples is not None
        samples = self.samples if is_image_groups(self.samples) else all_samples(self.samples)
        return samples.select([row["sample_id"] for row in rows], ordered=True)

    def _parts(self, worst: int) -> str:
        assert self.by is not None
        rows = self.tables[self.by][:worst]
        names = ["sample", "object"] if self.by == "object" else ["sample"]
        scores = [*(f"{row['name']}_JF" for row in self.rows if "objects" in row), "change"]
        head = [*names, *(name.removesuffix("_JF") for name in scores)]
        lines = [[*(row[name] for name in names), *(percent(row[name]) for name in scores)] for row in rows]
        return text_table([head, *lines])


def _table(rows: list[dict[str, Any]], scores: list[str], counts: Sequence[str] = ()) -> str:
    head = ("evaluation", *(name.replace("JF", "J&F").replace("_", " ") for name in scores), *counts)
    lines = (
        (row["name"], *(percent(row[name]) for name in scores), *(row[name] for name in counts))
        for row in rows
    )
    return text_table([head, *lines])
