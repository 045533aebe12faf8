"""Several evaluations side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fiftyone_hs2s.dataset import figures
from fiftyone_hs2s.dataset.evaluation_results import PropagationResults
from fiftyone_hs2s.dataset.pieces import Samples
from fiftyone_hs2s.errors import HS2SError

if TYPE_CHECKING:
    import pandas
    import plotly.graph_objects as go

METHOD = "hs2s"
"""Name of the evaluation backend."""

PAPER_ABLATION = {
    "S2S* (paper)": (0.591, 0.637, 0.614),
    "S2S0* (paper)": (0.640, 0.6895, 0.665),
    "S2St-1* (paper)": (0.636, 0.687, 0.662),
    "HS2S_sim (paper)": (0.6435, 0.6935, 0.669),
    "HS2S (paper)": (0.661, 0.717, 0.689),
}
"""J, F and J&F of the ablation in the HS2S paper (table 5), on the YouTube-VOS 2018 validation set."""


@dataclass(frozen=True)
class Comparison:
    """Evaluations on what all of them have scored."""

    rows: list[dict[str, Any]]
    """By evaluation: ``name``, ``J``, ``F``, ``JF``, ``J_decay``, ``F_decay``, ``change`` (of J&F against the first),
    ``objects`` that are shared, ``of`` how many of its own; rows of the paper have the scores alone."""

    def to_dataframe(self) -> pandas.DataFrame:
        """The table, by name of the evaluation.

        Raises:
            HS2SError: if pandas is not installed
        """
        try:
            import pandas
        except ImportError as error:
            raise HS2SError("a data frame needs pandas: pip install pandas") from error
        return pandas.DataFrame(self.rows).set_index("name")

    def print(self, digits: int = 3) -> None:
        """Prints the table."""
        columns = ["J", "F", "JF", "change", "J_decay", "F_decay", "objects", "of"]
        width = max(len(row["name"]) for row in self.rows)
        print(" " * width, *(f"{column:>8}" for column in columns))
        for row in self.rows:
            print(f"{row['name']:{width}}", *(f"{_text(row.get(column), digits):>8}" for column in columns))

    def plot(self) -> go.Figure:
        """J, F and J&F as bars."""
        return figures.figure(figures.comparison(self.rows), figures.COMPARISON)


def compare_evaluations(samples: Samples, eval_keys: Sequence[str] | None = None, paper: bool = False) -> Comparison:
    """Compares evaluations of one dataset, such as those of several models, on the objects that all of them scored.

    Args:
        samples: the dataset
        eval_keys: keys of the evaluations; None for all that ``evaluate_propagation()`` made
        paper: whether to append the rows of the paper's ablation, as a measure (its data are others)

    Raises:
        HS2SError: if an evaluation does not exist or is of another kind, protocols or ground truths differ, or there
            is no object that all have scored
    """
    keys = list_evaluations(samples) if eval_keys is None else list(eval_keys)
    if not keys:
        raise HS2SError("there is no evaluation to compare: run evaluate_propagation() first")
    runs = {key: load_evaluation(samples, key) for key in keys}
    for name in ("protocol", "gt_field"):
        values = {key: getattr(run.config, name) for key, run in runs.items()}
        if len({*values.values()}) > 1:
            raise HS2SError(f"evaluations of different {name} cannot be compared: {values}")
    tables = {key: {(row["key"], row["object"]): row for row in run.objects} for key, run in runs.items()}
    shared = sorted(set.intersection(*(set(table) for table in tables.values())))
    if not shared:
        raise HS2SError(f"no object was scored by all of the evaluations {', '.join(keys)}")
    rows = [_row(key, [table[name] for name in shared], len(table)) for key, table in tables.items()]
    for row in rows:
        row["change"] = row["JF"] - rows[0]["JF"]
    paper_rows = [dict(zip(("name", "J", "F", "JF"), (name, *s), strict=True)) for name, s in PAPER_ABLATION.items()]
    return Comparison(rows + paper_rows if paper else rows)


def list_evaluations(samples: Samples) -> list[str]:
    """The keys of the evaluations that ``evaluate_propagation()`` made."""
    return samples.list_evaluations(type="detection", method=METHOD)


def load_evaluation(samples: Samples, eval_key: str) -> PropagationResults:
    """The results of an evaluation.

    Raises:
        HS2SError: if there is none of that name, it was not finished, or it is of another kind
    """
    found = list_evaluations(samples)
    if eval_key not in found:
        mend = f"choose one of {', '.join(found)}" if found else "run evaluate_propagation() first"
        raise HS2SError(f"{eval_key!r} is no evaluation of propagated masks in {samples._root_dataset.name!r}: {mend}")
    results = samples.load_evaluation_results(eval_key)
    if not isinstance(results, PropagationResults):
        raise HS2SError(f"the evaluation {eval_key!r} has no results: run it again")
    return results


def _row(key: str, objects: list[dict[str, Any]], total: int) -> dict[str, Any]:
    names = ("J", "F", "JF", "J_decay", "F_decay")
    means = {name: float(np.mean([row[name] for row in objects])) for name in names}
    return {"name": key, **means, "objects": len(objects), "of": total}


def _text(value: float | int | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}" if isinstance(value, float) else str(value)
