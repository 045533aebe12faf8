"""Several evaluations side by side."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from fiftyone_hs2s.dataset.compat import Samples, root_dataset
from fiftyone_hs2s.dataset.evaluate import figures
from fiftyone_hs2s.dataset.evaluate.evaluation_backend import METHOD
from fiftyone_hs2s.dataset.evaluate.evaluation_results import PropagationResults
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.metrics import ObjectResult
from fiftyone_hs2s.metrics.protocols import frame_statistics
from fiftyone_hs2s.tables import data_frame, percent, text_table

if TYPE_CHECKING:
    import pandas
    import plotly.graph_objects as go

logger = logging.getLogger(__name__)

Results: TypeAlias = dict[tuple[str, int], ObjectResult]
"""What an evaluation found, by the key of the video, clip or group and the object's number."""
PAPER_ABLATION = {
    "S2S* (paper)": (0.591, 0.637, 0.614),
    "S2S0* (paper)": (0.640, 0.6895, 0.665),
    "S2St-1* (paper)": (0.636, 0.687, 0.662),
    "HS2S_sim (paper)": (0.6435, 0.6935, 0.669),
    "HS2S (paper)": (0.661, 0.717, 0.689),
}
"""J, F and J&F of the ablation in the HS2S paper (table 5), on :data:`PAPER_DATA`."""
PAPER_DATA = "YouTube-VOS 2018, validation"


@dataclass(frozen=True)
class Comparison:
    """Evaluations on what all of them have scored."""

    rows: list[dict[str, Any]]
    """By evaluation: ``name``, ``J``, ``F``, ``JF``, ``J_decay``, ``F_decay``, ``change`` (of J&F against
    the first), ``objects`` that are shared, ``of`` how many of its own; rows of the paper have the scores
    alone."""
    notes: list[str] = field(default_factory=list)
    """What the evaluations do not share, and is left out, in sentences."""

    def to_dataframe(self) -> pandas.DataFrame:
        """The table, by name of the evaluation.

        Raises:
            HS2SError: if pandas is not installed
        """
        return data_frame(self.rows).set_index("name")

    def print(self) -> None:
        """Prints the table in percent, and apart from it what the paper reports."""
        own = [row for row in self.rows if "objects" in row]
        print(_table(own, ["J", "F", "JF", "change", "J_decay", "F_decay"], ["objects", "of"]))
        for note in self.notes:
            print(f"note: {note}")
        if paper := [row for row in self.rows if "objects" not in row]:
            print(f"\nreported in the HS2S paper, on other data ({PAPER_DATA}):")
            print(_table(paper, ["J", "F", "JF"]))

    def plot(self) -> go.Figure:
        """J, F and J&F as bars."""
        return figures.figure(figures.comparison(self.rows), figures.COMPARISON)


def compare_evaluations(
    samples: Samples, eval_keys: Sequence[str] | None = None, paper: bool = False
) -> Comparison:
    """Compares evaluations of one dataset, such as those of several models, on what all of them scored.

    Objects and frames that only some have scored are left out, with a note: of runs with other corrections,
    for example, those frames whose mask was a prompt in one of them.

    Args:
        samples: the dataset
        eval_keys: keys of the evaluations; None for all that ``evaluate_propagation()`` made
        paper: whether to append the rows of the paper's ablation, as a measure (its data are others)

    Raises:
        HS2SError: if an evaluation does not exist or is of another kind, protocols or ground truths differ,
            or there is no object that all have scored
    """
    keys = list_evaluations(samples) if eval_keys is None else list(eval_keys)
    if not keys:
        raise HS2SError("there is no evaluation to compare: run evaluate_propagation() first")
    runs = {key: load_evaluation(samples, key) for key in keys}
    for name in ("protocol", "gt_field"):
        values = {key: getattr(run.config, name) for key, run in runs.items()}
        if len({*values.values()}) > 1:
            raise HS2SError(f"evaluations of different {name} cannot be compared: {values}")
    found = {key: _results(run) for key, run in runs.items()}
    frames = _shared_frames(list(found.values()))
    if not frames:
        raise HS2SError(f"no object was scored by all of the evaluations {', '.join(keys)}")
    rows = [_row(key, results, frames) for key, results in found.items()]
    notes = list(_notes(found, frames))
    if by_overlap := [key for key, run in runs.items() if run.config.match == "first_frame"]:
        notes.append(f"objects of {', '.join(by_overlap)} were matched by overlap on their first frame")
    for note in notes:
        logger.warning("Compared %s: %s", ", ".join(keys), note)
    for row in rows:
        row["change"] = row["JF"] - rows[0]["JF"]
    paper_rows = [
        dict(zip(("name", "J", "F", "JF"), (name, *s), strict=True)) for name, s in PAPER_ABLATION.items()
    ]
    return Comparison(rows + paper_rows if paper else rows, notes)


def list_evaluations(samples: Samples) -> list[str]:
    """The keys of the evaluations that ``evaluate_propagation()`` made, the newest last."""
    keys = samples.list_evaluations(type="detection", method=METHOD)
    return sorted(keys, key=lambda key: samples.get_evaluation_info(key).timestamp)


def load_evaluation(samples: Samples, eval_key: str) -> PropagationResults:
    """The results of an evaluation.

    Raises:
        HS2SError: if there is none of that name, it was not finished, or it is of another kind
    """
    found = list_evaluations(samples)
    if eval_key not in found:
        fix = f"choose one of {', '.join(found)}" if found else "run evaluate_propagation() first"
        raise HS2SError(
            f"{eval_key!r} is not an evaluation of propagated masks in {root_dataset(samples).name!r}: {fix}"
        )
    results = samples.load_evaluation_results(eval_key)
    if not isinstance(results, PropagationResults):
        raise HS2SError(f"the evaluation {eval_key!r} has no results: run it again")
    return results


def _results(run: PropagationResults) -> Results:
    return {(result.sequence, result.object_id): result for result in run.evaluation().results}


def _shared_frames(found: list[Results]) -> dict[tuple[str, int], list[int]]:
    """By object, the frames that all evaluations scored; objects without one are left out."""
    objects = sorted(set.intersection(*map(set, found)))
    shared = {o: sorted(set.intersection(*({*results[o].frames} for results in found))) for o in objects}
    return {o: frames for o, frames in shared.items() if frames}


def _notes(found: dict[str, Results], frames: dict[tuple[str, int], list[int]]) -> Iterator[str]:
    totals = {key: len(results) for key, results in found.items()}
    if any(total > len(frames) for total in totals.values()):
        counts = ", ".join(f"{key} {total}" for key, total in totals.items())
        yield (
            f"not all evaluations scored the same objects ({counts}): compared on the {len(frames)} that all"
            " scored"
        )
    union = {o: set().union(*(results[o].frames for results in found.values())) for o in frames}
    if left_out := sum(len(union[o]) - len(shared) for o, shared in frames.items()):
        frames_are = "1 frame is" if left_out == 1 else f"{left_out} frames are"
        yield f"{frames_are} left out that not all evaluations scored, such as prompts"


def _row(key: str, results: Results, frames: dict[tuple[str, int], list[int]]) -> dict[str, Any]:
    columns: dict[str, list[float]] = {name: [] for name in ("J", "F", "JF", "J_decay", "F_decay")}
    for o, shared in frames.items():
        kept = np.isin(results[o].frames, shared)
        j, f = (frame_statistics(values[kept]) for values in (results[o].J_frames, results[o].F_frames))
        for name, value in zip(
            columns, (j.mean, f.mean, (j.mean + f.mean) / 2, j.decay, f.decay), strict=True
        ):
            columns[name].append(value)
    means = {name: float(np.mean(values)) for name, values in columns.items()}
    return {"name": key, **means, "objects": len(frames), "of": len(results)}


def _table(rows: list[dict[str, Any]], scores: list[str], counts: Sequence[str] = ()) -> str:
    head = ("evaluation", *(name.replace("JF", "J&F").replace("_", " ") for name in scores), *counts)
    lines = (
        (row["name"], *(percent(row[name]) for name in scores), *(row[name] for name in counts))
        for row in rows
    )
    return text_table([head, *lines])
