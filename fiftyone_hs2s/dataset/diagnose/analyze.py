"""The analyses of the HS2S paper on a dataset: long sequences and occlusions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import fiftyone as fo

from fiftyone_hs2s.dataset.compat import Samples
from fiftyone_hs2s.dataset.database import explained
from fiftyone_hs2s.dataset.diagnose.series import Series, evaluated_series, how_matched, new_series
from fiftyone_hs2s.dataset.evaluate import figures
from fiftyone_hs2s.dataset.evaluate.compare import load_evaluation
from fiftyone_hs2s.dataset.fields import check_field, check_own_truth
from fiftyone_hs2s.dataset.sample_views import as_view, frame_rates
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.metrics import Analysis, get_protocol
from fiftyone_hs2s.metrics import analyze as analyze_sequences
from fiftyone_hs2s.metrics.analysis import EARLY, LATE
from fiftyone_hs2s.progress import ProgressOption
from fiftyone_hs2s.tables import data_frame, percent, text_table

if TYPE_CHECKING:
    import pandas
    import plotly.graph_objects as go

PAPER = {
    f"early, t < {EARLY}": {"J": 0.763, "F": 0.771},
    f"late, t > {LATE}": {"J": 0.642, "F": 0.655},
    "all frames": {"JF": 0.690},
    "after the first occlusion, area <= 0 px": {"JF": 0.402},
    "after the first occlusion, area <= 50 px": {"JF": 0.393},
    "after the first occlusion, area <= 100 px": {"JF": 0.477},
}
"""What the HS2S paper reports in tables 3 and 4, on YouTube-VOS."""


@dataclass(frozen=True)
class DatasetAnalysis:
    """The paper's tables and figures.

    Attributes:
        analysis: all numbers
        protocol: which objects and frames count
        problems: samples that could not be scored, and why
        match: how predicted objects were matched with true ones: ``identity`` or ``first_frame``
    """

    analysis: Analysis
    protocol: str
    problems: list[dict[str, str]] = field(default_factory=list)
    match: str = "identity"

    def rows(self) -> Iterator[dict[str, Any]]:
        """Tables 3 and 4: ``frames``, ``objects``, ``J``, ``F``, ``JF``, and ``paper`` with the paper's
        numbers."""
        length, count = self.analysis.length, self.analysis.num_objects
        early, late, everything, *after = PAPER
        yield _row(early, length.num_objects, length.J_early, length.F_early)
        yield _row(late, length.num_objects, length.J_late, length.F_late)
        yield _row(everything, count, self.analysis.J, self.analysis.F)
        for name, row in zip(after, self.analysis.occlusion, strict=True):
            yield _row(name, row.num_objects, row.J, row.F)

    def notes(self) -> Iterator[str]:
        """Which protocol the numbers are by, how objects were matched if not by identity, and why some
        numbers are missing, in sentences."""
        yield f"objects and frames that count are those of the protocol {self.protocol}"
        if self.match == "first_frame":
            yield "objects matched by overlap on their first frame, not by identity"
        yield from self.analysis.notes()

    def to_dataframe(self) -> pandas.DataFrame:
        """The rows of :meth:`rows`, scores in 0..1; ``paper`` has the paper's J&F."""
        return data_frame({**row, "paper": row["paper"].get("JF")} for row in self.rows())

    def print(self) -> None:
        """Prints the tables in percent, and beside them what the paper reports of other data; a dash for
        no number."""
        head = ("frames", "objects", "J", "F", "J&F", "HS2S paper, YouTube-VOS")
        lines = []
        for row in self.rows():
            paper = " ".join(
                f"{name.replace('JF', 'J&F')} {percent(value)}" for name, value in row["paper"].items()
            )
            lines.append(
                (row["frames"], row["objects"], *(percent(row[name]) for name in ("J", "F", "JF")), paper)
            )
        print(text_table([head, *lines]))
        for note in self.notes():
            print(f"note: {note}")

    def plot_sequence_lengths(self) -> go.Figure:
        """Figure 4: how long objects are in view, in steps of 1/6 s."""
        traces = [figures.lengths(self.analysis.sequence_lengths, "objects")]
        return figures.figure(traces, figures.SEQUENCE_LENGTHS)

    def plot_occlusion_lengths(self) -> go.Figure:
        """Figure 5: how long first occlusions are, in steps of 1/6 s, by the area up to which an object is
        occluded."""
        found = self.analysis.occlusion_lengths.items()
        traces = [figures.lengths(lengths, f"≤ {threshold} px") for threshold, lengths in found]
        return figures.figure(traces, figures.OCCLUSION_LENGTHS)


@explained
def analyze(
    samples: Samples | fo.Sample,
    pred_field: str | None = None,
    gt_field: str | None = None,
    eval_key: str | None = None,
    *,
    protocol: str | None = None,
    match: str | None = None,
    fps: float | None = None,
    progress: ProgressOption = None,
) -> DatasetAnalysis:
    """Shows how length and occlusion tell on J and F: tables 3 and 4, figures 4 and 5 of the HS2S paper.

    Args:
        samples: videos, clips, one sample, or images in ordered groups
        pred_field: the frame field with the predictions; ``frames.`` may be left out
        gt_field: the frame field with the ground truth
        eval_key: an evaluation, instead of the two fields; its scores are used, so that no mask is read again
        protocol: which objects and frames count, see ``fiftyone_hs2s.metrics.PROTOCOLS``; None for the
            evaluation's own, so that J&F on all frames is that of the evaluation, or without one for
            ``youtube-vos`` as in the paper
        match: how predicted objects are matched with true ones: ``identity`` (the default) or
            ``first_frame``, as in :func:`evaluate_propagation`; an evaluation has done so already
        fps: frames per second; by default each video's own, and 6 for groups of images. Time is counted in
            steps of 1/6 s, whatever the rate
        progress: whether to show a bar (None: as ``fiftyone.config.show_progress_bars`` says), or a function
            to call instead with a :class:`fiftyone_hs2s.progress.Progress` for each sample

    Returns:
        tables and figures

    Raises:
        HS2SError: if fields or evaluation are unusable, or nothing can be scored
    """
    samples = as_view(samples)
    if eval_key is None and not (pred_field and gt_field):
        raise HS2SError("there is nothing to analyze: give an eval_key, or pred_field and gt_field")
    problems: list[dict[str, str]] = []
    how = how_matched(samples, match, gt_field, eval_key) or "identity"
    if eval_key is not None:
        scored = list(evaluated_series(samples, eval_key))
        protocol = protocol or load_evaluation(samples, eval_key).config.protocol
    else:
        check_own_truth(pred_field, gt_field)
        protocol = protocol or "youtube-vos"
        prediction, truth = (
            check_field(samples, str(name), role)
            for name, role in ((pred_field, "prediction"), (gt_field, "ground truth"))
        )
        scored = list(
            new_series(samples, truth, prediction, problems, progress, protocol=protocol, match=how)
        )
    if not any(item.sequence.true_ids for item in scored):
        why = problems[0]["message"] if problems else "there is no ground truth"
        raise HS2SError(f"nothing can be analyzed: {why}")
    sequences = {item.key: item.sequence for item in scored}
    analysis = analyze_sequences(sequences, _rates(samples, scored, fps), protocol)
    return DatasetAnalysis(analysis, get_protocol(protocol).name, problems, how)


def _rates(samples: Samples, scored: list[Series], fps: float | None) -> dict[str, float]:
    """Frames per second by key."""
    known = {} if fps else frame_rates(samples, {item.sample_id for item in scored})
    return {item.key: fps or known[item.sample_id] for item in scored}


def _row(frames: str, objects: int, j: float, f: float) -> dict[str, Any]:
    return {"frames": frames, "objects": objects, "J": j, "F": f, "JF": (j + f) / 2, "paper": PAPER[frames]}
