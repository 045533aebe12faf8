"""The analyses of the HS2S paper (section 5.2) on any data: long sequences and occlusions (tables 3, 4,
figures 4, 5).

Time is counted in steps of 1/6 s from an object's first frame, as YouTube-VOS annotates. So the limits of the
paper, t < 10 and t > 20, mean the same moments at any frame rate: at 30 frames per second a step is five
frames.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fiftyone_hs2s.metrics.events import runs
from fiftyone_hs2s.metrics.protocols import Protocol, counted_frames, get_protocol, scored_ids
from fiftyone_hs2s.metrics.scores import ObjectScores, SequenceScores
from fiftyone_hs2s.tables import data_frame, defined, percent, text_table

if TYPE_CHECKING:
    import pandas

STEPS_PER_SECOND = 6
EARLY = 10
"""Before this step it is early."""
LATE = 20
"""After this step it is late."""
THRESHOLDS = (0, 50, 100)
"""Areas in pixels up to which an object counts as occluded."""


@dataclass(frozen=True)
class LengthTable:
    """Table 3: the objects of more than 20 steps; J and F early (t < 10) and late (t > 20), means over
    objects."""

    num_objects: int
    J_early: float
    J_late: float
    F_early: float
    F_late: float


@dataclass(frozen=True)
class OcclusionRow:
    """A column of table 4: scores on the frames after the end of an object's first occlusion, means over
    objects."""

    threshold: int
    num_objects: int
    """Objects that are occluded, and visible again."""
    J: float
    F: float
    JF: float


@dataclass(frozen=True)
class Analysis:
    """All of the paper's analyses; means that have no object are NaN."""

    num_objects: int
    J: float
    F: float
    JF: float
    """J&F on all frames that count, mean over objects: the first column of table 4."""
    length: LengthTable
    occlusion: tuple[OcclusionRow, ...]
    sequence_lengths: tuple[int, ...]
    """Figure 4: the length of each object's sequence in steps, from its first to its last visible frame."""
    occlusion_lengths: dict[int, tuple[float, ...]]
    """Figure 5: by threshold, the length in steps of the first occlusion of each object that has one."""

    def notes(self) -> Iterator[str]:
        """Why numbers are missing, in sentences."""
        if not self.length.num_objects:
            seconds = LATE / STEPS_PER_SECOND
            yield f"early and late: no object is in view for more than {LATE} steps ({seconds:.1f} s)"
        if areas := [row.threshold for row in self.occlusion if not row.num_objects]:
            limits = " or ".join(map(str, areas))
            yield (
                f"after the first occlusion: no object is hidden (down to {limits} px) and then visible again"
            )

    def rows(self) -> Iterator[dict[str, Any]]:
        """Tables 3 and 4 as rows: ``table``, ``frames``, ``objects``, ``J``, ``F``, ``JF``."""
        yield _row("occlusion", "all", self.num_objects, self.J, self.F, self.JF)
        for row in self.occlusion:
            frames = f"after the first occlusion, area <= {row.threshold} px"
            yield _row("occlusion", frames, row.num_objects, row.J, row.F, row.JF)
        length = self.length
        for name, j, f in (
            (f"early, t < {EARLY}", length.J_early, length.F_early),
            (f"late, t > {LATE}", length.J_late, length.F_late),
        ):
            yield _row("length", name, length.num_objects, j, f, (j + f) / 2)

    def to_dataframe(self) -> pandas.DataFrame:
        """The rows of :meth:`rows`, scores in 0..1."""
        return data_frame(self.rows())

    def print(self) -> None:
        """Prints two tables in percent, and histograms."""
        parts = [
            "Objects of more than 20 steps (table 3)",
            self._table("length"),
            "Occlusions (table 4)",
            self._table("occlusion"),
            *(f"note: {note}" for note in self.notes()),
            "Length of the objects' sequences in steps (figure 4)",
            bars(self.sequence_lengths),
        ]
        for threshold, lengths in self.occlusion_lengths.items():
            parts += [
                f"Length of the first occlusion in steps, area <= {threshold} px (figure 5)",
                bars(lengths),
            ]
        print("\n\n".join(parts), flush=True)

    def _table(self, name: str) -> str:
        chosen = [row for row in self.rows() if row["table"] == name]
        percents = ([percent(row[score]) for score in ("J", "F", "JF")] for row in chosen)
        lines = [
            (row["frames"], row["objects"], *numbers) for row, numbers in zip(chosen, percents, strict=True)
        ]
        return text_table([("frames", "objects", "J", "F", "J&F"), *lines])

    def to_dict(self) -> dict[str, Any]:
        """What ``hs2s analyze --json`` writes; None for means of nothing."""
        data = defined(asdict(self))
        histograms = {str(t): histogram(lengths) for t, lengths in self.occlusion_lengths.items()}
        return {
            **data,
            "sequence_length_histogram": histogram(self.sequence_lengths),
            "occlusion_lengths": {str(threshold): v for threshold, v in data["occlusion_lengths"].items()},
            "occlusion_length_histograms": histograms,
        }


def histogram(lengths: Sequence[float]) -> list[int]:
    """How many lengths there are of 0 up to 1 steps, of 1 up to 2, and so on."""
    return np.bincount(np.floor(lengths).astype(int)).tolist() if len(lengths) else []


def bars(lengths: Sequence[float], width: int = 5, longest: int = 40) -> str:
    """A histogram in text, with bins of ``width`` steps."""
    counts = histogram(lengths)
    bins = [sum(counts[start : start + width]) for start in range(0, len(counts), width)]
    scale = min(1.0, longest / max(bins, default=1))
    lines = [
        f"{k * width:4}-{(k + 1) * width - 1:<4} {'#' * round(scale * count)} {count or ''}".rstrip()
        for k, count in enumerate(bins)
    ]
    return "\n".join(lines) or "  none"


def _row(table: str, frames: str, objects: int, j: float, f: float, jf: float) -> dict[str, Any]:
    return {"table": table, "frames": frames, "objects": objects, "J": j, "F": f, "JF": jf}


def analyze(
    sequences: Mapping[str, SequenceScores],
    fps: float | Mapping[str, float] = 6,
    protocol: str | Protocol = "youtube-vos",
) -> Analysis:
    """Makes the analyses of scored sequences.

    Args:
        sequences: by name, from a ``SequenceScorer``
        fps: rate at which the sequences' frames are numbered, per second (6 if only every fifth frame of a
            video of 30 was scored, without gaps in the numbers); one for all, or by name
        protocol: which objects and frames count; the default leaves each object's first frame out, as the
            paper does
    """
    protocol = get_protocol(protocol)
    objects = []
    for name, sequence in sequences.items():
        rate = fps[name] if isinstance(fps, Mapping) else fps
        objects += [_Object(sequence.objects[i], protocol, rate) for i in scored_ids(sequence, protocol)]
    occlusions = {threshold: [o.first_occlusion(threshold) for o in objects] for threshold in THRESHOLDS}
    return Analysis(
        num_objects=len(objects),
        **_means(objects, [o.counted for o in objects]),
        length=_length_table([o for o in objects if o.length > LATE]),
        occlusion=tuple(_occlusion_row(objects, threshold, found) for threshold, found in occlusions.items()),
        sequence_lengths=tuple(o.length for o in objects),
        occlusion_lengths={
            t: tuple(length for _, length in filter(None, found)) for t, found in occlusions.items()
        },
    )


def steps(scores: ObjectScores, fps: float) -> np.ndarray:
    """The time of each frame in steps of 1/6 s since the object's first visible frame.

    Args:
        scores: the series of an object that is visible at least once
        fps: frames per second

    Returns:
        float (T,), negative before it is visible
    """
    return (scores.frames - scores.frames[np.argmax(scores.visible())]) * STEPS_PER_SECOND / fps


class _Object:
    """An object that was visible at least once; ``times`` are in steps from its first visible frame."""

    def __init__(self, scores: ObjectScores, protocol: Protocol, fps: float) -> None:
        self.scores = scores
        self.counted = counted_frames(scores, protocol)
        self.times = steps(scores, fps)
        self.length = int(self.times[np.flatnonzero(scores.visible())[-1]]) + 1

    def mean(self, values: np.ndarray, frames: np.ndarray) -> float:
        """Mean of the values on these of the frames that count; NaN if there are none."""
        chosen = values[frames & self.counted]
        return float(chosen.mean()) if len(chosen) else math.nan

    def first_occlusion(self, threshold: int) -> tuple[int, float] | None:
        """The first occlusion after which the object is visible again: the place of that frame; its length
        in steps."""
        annotated = np.flatnonzero(self.scores.annotated)
        visible = self.scores.truth_area[annotated] > threshold
        for start, stop in runs(~visible & np.logical_or.accumulate(visible))[:1]:
            if stop < len(annotated):
                first, back = annotated[start], annotated[stop]
                return int(back), float(self.times[back] - self.times[first])
        return None


def _length_table(objects: list[_Object]) -> LengthTable:
    early = _means(objects, [(o.times >= 0) & (o.times < EARLY) for o in objects])
    late = _means(objects, [o.times > LATE for o in objects])
    return LengthTable(len(objects), early["J"], late["J"], early["F"], late["F"])


def _occlusion_row(
    objects: list[_Object], threshold: int, occlusions: list[tuple[int, float] | None]
) -> OcclusionRow:
    back = [(o, found[0]) for o, found in zip(objects, occlusions, strict=True) if found]
    after = [np.arange(len(o.counted)) >= place for o, place in back]
    return OcclusionRow(threshold, len(back), **_means([o for o, _ in back], after))


def _means(objects: list[_Object], frames: list[np.ndarray]) -> dict[str, float]:
    """J, F and J&F on each object's frames, means over objects."""
    pairs = list(zip(objects, frames, strict=True))
    return {
        name: _mean([o.mean(getattr(o.scores, name), part) for o, part in pairs]) for name in ("J", "F", "JF")
    }


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return float(np.mean(known)) if known else math.nan
