"""What a benchmark gave: tables, numbers, files."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fiftyone_hs2s.benchmark.benchmark_data import BenchmarkData
from fiftyone_hs2s.metrics import Evaluation, Statistics
from fiftyone_hs2s.tables import data_frame, percent, text_table

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class BenchmarkResult:
    """The result of a benchmark.

    Attributes:
        data: the data set
        method: name of the model
        settings: all that the masks depend on
        tracked: names of the sequences that were tracked to their end
        failed: why the others were not, by name; they are in no number and in no zip file
        evaluation: the scores of the sequences that have truth; None if none has
        zip_file: for the evaluation server; None if there is none, or a sequence is missing
        notes: what a reader of the numbers must know, in sentences
        out_dir: where everything lies: ``masks/<sequence>/<frame>.png``, ``results.json``, ``objects.csv``
        seconds_per_frame: mean time of tracking, reading and writing included, on all objects of a frame
    """

    data: BenchmarkData
    method: str
    settings: Mapping[str, Any]
    tracked: list[str]
    failed: dict[str, str]
    evaluation: Evaluation | None
    zip_file: Path | None
    out_dir: Path
    seconds_per_frame: float = float("nan")
    notes: list[str] = field(default_factory=list)

    @property
    def J(self) -> float:
        """Mean J in 0..1 as in the tables of the benchmark: over objects; for YouTube-VOS the mean of seen
        and unseen.

        NaN without truth.
        """
        return self._mean("J")

    @property
    def F(self) -> float:
        """Mean F, likewise."""
        return self._mean("F")

    @property
    def JF(self) -> float:
        """(J + F) / 2; G of YouTube-VOS."""
        return (self.J + self.F) / 2

    def _mean(self, name: str) -> float:
        if self.evaluation is None:
            return math.nan
        splits = self.evaluation.splits
        sides = [splits[key] for key in (f"{name}_seen", f"{name}_unseen") if key in splits]
        return sum(sides) / len(sides) if sides else getattr(self.evaluation, name)

    def table(self) -> str:
        """The row of the paper's table 1 or 2, percent; with seen and unseen classes apart where they are
        known."""
        head, row = ["Method", "J", "F", "F&J"], [self.method, *map(percent, (self.J, self.F, self.JF))]
        for key, value in (self.evaluation.splits if self.evaluation else {}).items():
            if key != "G":
                head.append(key.replace("_", " "))
                row.append(percent(value))
        return text_table([head, row])

    def object_table(self) -> str:
        """J and F with mean, recall and decay and J&F of each object, and their means; percent."""
        columns = ("J", "J recall", "J decay", "F", "F recall", "F decay", "J&F")
        assert self.evaluation is not None
        rows: list[tuple[Any, ...]] = [("sequence", "object", "frames", *columns)]
        for result in self.evaluation.results:
            where = (result.sequence, result.object_id, len(result.frames))
            rows.append((*where, *_numbers(result.J, result.F, result.JF)))
        means = self.evaluation
        mean = ("mean over objects", len(means.results), "")
        return text_table(
            [*rows, (*mean, *_numbers(means.J_statistics, means.F_statistics, means.JF))], total=True
        )

    def lines(self) -> Iterator[str]:
        """What :meth:`print` prints, part by part."""
        benchmark, count = self.data.benchmark, len(self.tracked) + len(self.failed)
        split = f", {self.data.split}" if self.data.split else ""
        yield (
            f"{benchmark.title}{split} ({self.data.reason}): {len(self.tracked)} of {count} sequences tracked"
        )
        if self.evaluation is not None:
            scored, objects = len(self.evaluation.sequences), len(self.evaluation.results)
            yield self.object_table() + "\n"
            yield (
                f"Table {benchmark.table}: {scored} sequences, {objects} objects, protocol "
                f"{self.evaluation.protocol.name}, percent"
            )
            yield self.table()
        yield from (f"{name} was not tracked: {reason}" for name, reason in self.failed.items())
        yield from self.notes
        if not math.isnan(self.seconds_per_frame):
            yield f"{self.seconds_per_frame:.3f} seconds per frame"
        yield f"masks and numbers: {self.out_dir}"
        if self.zip_file:
            yield f"for the server: {self.zip_file}"

    def print(self) -> None:
        """Prints the objects' scores, the table, and what a reader must know."""
        print("\n".join(self.lines()))

    def to_dataframe(self) -> pd.DataFrame:
        """A row per object, numbers in 0..1; empty without truth."""
        return data_frame(self.evaluation.object_rows() if self.evaluation else [])

    def to_dict(self) -> dict[str, Any]:
        """What ``results.json`` holds: only dicts, lists, strings, numbers; None for what is not defined."""
        numbers = {"J": self.J, "F": self.F, "JF": self.JF}
        return {
            "benchmark": self.data.kind,
            "split": self.data.split,
            "method": self.method,
            "settings": dict(self.settings),
            **{name: None if math.isnan(value) else value for name, value in numbers.items()},
            "tracked": self.tracked,
            "failed": self.failed,
            "notes": self.notes,
            "evaluation": self.evaluation.to_dict() if self.evaluation else None,
        }


def _numbers(j: Statistics, f: Statistics, jf: float) -> list[str]:
    return [percent(value) for value in (j.mean, j.recall, j.decay, f.mean, f.recall, f.decay, jf)]
