"""Several evaluations side by side."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from fiftyone_hs2s.choices import check_choice, did_you_mean
from fiftyone_hs2s.dataset.compat import Samples, root_dataset
from fiftyone_hs2s.dataset.evaluate.comparison import BY, By, Comparison
from fiftyone_hs2s.dataset.evaluate.evaluation_backend import METHOD
from fiftyone_hs2s.dataset.evaluate.evaluation_results import PropagationResults
from fiftyone_hs2s.dataset.sample_views import all_samples
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.metrics import ObjectResult
from fiftyone_hs2s.metrics.protocols import frame_statistics

logger = logging.getLogger(__name__)

ObjectOf: TypeAlias = tuple[str, int]
"""The key of a video, clip or group, and an object's number."""
Results: TypeAlias = dict[ObjectOf, ObjectResult]
"""What an evaluation found."""
_SCORES = ("J", "F", "JF", "J_decay", "F_decay")
PAPER_ABLATION = {
    "S2S* (paper)": (0.591, 0.637, 0.614),
    "S2S0* (paper)": (0.640, 0.6895, 0.665),
    "S2St-1* (paper)": (0.636, 0.687, 0.662),
    "HS2S_sim (paper)": (0.6435, 0.6935, 0.669),
    "HS2S (paper)": (0.661, 0.717, 0.689),
}
"""J, F and J&F of the ablation in the HS2S paper (table 5), on ``PAPER_DATA``."""


def compare_evaluations(
    samples: Samples,
    eval_keys: Sequence[str] | None = None,
    paper: bool = False,
    *,
    by: By | None = None,
) -> Comparison:
    """Compares evaluations of one dataset, such as those of several models, on what all of them scored.

    Objects and frames that only some have scored are left out, with a note: of runs with other corrections,
    for example, those frames whose mask was a prompt in one of them.

    Args:
        samples: the dataset; for groups of images, the view that groups them
        eval_keys: keys of the evaluations; None for all that ``evaluate_propagation()`` made
        paper: whether to append the rows of the paper's ablation, as a measure (its data are others)
        by: ``"sample"`` or ``"object"``: what to print and list, too, with the change of its J&F

    Returns:
        the scores side by side; its ``worse()`` and ``better()`` are views of the samples that changed

    Raises:
        HS2SError: if an evaluation does not exist or is of another kind, protocols or ground truths differ,
            or there is no object that all have scored
    """
    if by is not None:
        check_choice("by", by, BY)
    keys = list_evaluations(samples) if eval_keys is None else list(dict.fromkeys(eval_keys))
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
    scores = {key: _object_scores(results, frames) for key, results in found.items()}
    rows = [_row(key, scores[key], len(results)) for key, results in found.items()]
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
    tables = _tables(samples, runs, scores)
    return Comparison(rows + paper_rows if paper else rows, notes, tables, by, samples)


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
        fix = did_you_mean(eval_key, found) if found else "run evaluate_propagation() first"
        raise HS2SError(
            f"{eval_key!r} is not an evaluation of propagated masks in {root_dataset(samples).name!r}: {fix}"
        )
    results = samples.load_evaluation_results(eval_key)
    if not isinstance(results, PropagationResults):
        raise HS2SError(f"the evaluation {eval_key!r} has no results: run it again")
    return results


def _results(run: PropagationResults) -> Results:
    return {(result.sequence, result.object_id): result for result in run.evaluation().results}


def _shared_frames(found: list[Results]) -> dict[ObjectOf, list[int]]:
    """By object, the frames that all evaluations scored; objects without one are left out."""
    objects = sorted(set.intersection(*map(set, found)))
    shared = {o: sorted(set.intersection(*({*results[o].frames} for results in found))) for o in objects}
    return {o: frames for o, frames in shared.items() if frames}


def _notes(found: dict[str, Results], frames: dict[ObjectOf, list[int]]) -> Iterator[str]:
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


def _object_scores(results: Results, frames: dict[ObjectOf, list[int]]) -> dict[ObjectOf, dict[str, float]]:
    """The scores of each object on the shared frames."""
    found = {}
    for o, shared in frames.items():
        kept = np.isin(results[o].frames, shared)
        j, f = (frame_statistics(values[kept]) for values in (results[o].J_frames, results[o].F_frames))
        values = (j.mean, f.mean, (j.mean + f.mean) / 2, j.decay, f.decay)
        found[o] = dict(zip(_SCORES, values, strict=True))
    return found


def _row(key: str, scores: dict[ObjectOf, dict[str, float]], of: int) -> dict[str, Any]:
    means = {name: float(np.mean([row[name] for row in scores.values()])) for name in _SCORES}
    return {"name": key, **means, "objects": len(scores), "of": of}


def _tables(
    samples: Samples,
    runs: dict[str, PropagationResults],
    scores: dict[str, dict[ObjectOf, dict[str, float]]],
) -> dict[By, list[dict[str, Any]]]:
    """J&F by sample and by object, see :class:`Comparison`."""
    first, last = next(iter(runs)), list(runs)[-1]
    owners = {key: entry.sample_id for key, entry in runs[first].series.items()}
    shared = list(scores[first])
    view = all_samples(samples).select({owners[key] for key, _ in shared})
    files = dict(zip(*view.values(["id", "filepath"]), strict=True))
    by_object, by_sample = [], []
    members: dict[str, list[ObjectOf]] = {}
    for o in shared:
        members.setdefault(owners[o[0]], []).append(o)
    for sample_id, objects in members.items():
        start = {"sample_id": sample_id, "sample": Path(files.get(sample_id, sample_id)).name}
        for o in objects:
            name = runs[first].names(o[0]).get(o[1], f"object {o[1]}")
            by_object.append({**start, "object": name, **_parts(scores, [o], first, last)})
        by_sample.append({**start, **_parts(scores, objects, first, last)})
    return {
        "sample": sorted(by_sample, key=lambda row: row["change"]),
        "object": sorted(by_object, key=lambda row: row["change"]),
    }


def _parts(
    scores: dict[str, dict[ObjectOf, dict[str, float]]], objects: list[ObjectOf], first: str, last: str
) -> dict[str, float]:
    means = {f"{key}_JF": float(np.mean([found[o]["JF"] for o in objects])) for key, found in scores.items()}
    return {**means, "change": means[f"{last}_JF"] - means[f"{first}_JF"]}
