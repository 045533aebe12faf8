"""Proposes the frame of each sample to correct next."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import fiftyone as fo

from fiftyone_hs2s.dataset.compat import Samples, is_image_groups, root_dataset
from fiftyone_hs2s.dataset.database import explained
from fiftyone_hs2s.dataset.diagnose.event_labels import object_name
from fiftyone_hs2s.dataset.diagnose.series import Series, new_series
from fiftyone_hs2s.dataset.fields import check_field
from fiftyone_hs2s.dataset.find_sequences import find_sequences
from fiftyone_hs2s.dataset.label_runs import group_run
from fiftyone_hs2s.dataset.propagate.model import HS2SVideoModel, load_model
from fiftyone_hs2s.dataset.propagate.scene_cut_field import read_scene_cuts
from fiftyone_hs2s.dataset.sample_views import all_samples, as_view
from fiftyone_hs2s.metrics.next_frame import next_frame
from fiftyone_hs2s.progress import ProgressOption
from fiftyone_hs2s.tables import data_frame, text_table

if TYPE_CHECKING:
    import pandas

NEXT_FRAME_TAG = "hs2s: next frame"
"""Tag of videos that a frame is proposed of, and of images that are proposed."""
_LABEL = "next frame"
_NOTED = ("object", "relief", "reason")
_REASONS = {
    "low_confidence": "the tracker is less sure of {name} around it, or its mask jumps",
    "disagreement": "tracking {name} back gives other masks around it",
    "vanished": "{name} has no mask around it",
    "scene_cut": "a scene begins there, without a mask of {name}",
}


@dataclass
class FrameSuggestions:
    """The frames that are proposed.

    Attributes:
        field: the sample field that has them
        frames: rows with ``sample_id`` (of a group of images, that of the image), ``frame`` (its number, or
            the image's position in its group), ``object`` (the name of the one that gains most), ``relief``
            (see :func:`suggest_frames`) and ``reason``, the greatest relief first
        problems: samples that could not be looked at, and why
    """

    field: str
    frames: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    problems: list[dict[str, str]] = dataclasses.field(default_factory=list)

    def to_dataframe(self) -> pandas.DataFrame:
        """The rows of ``frames``."""
        return data_frame(self.frames, ("sample_id", "frame", "object", "relief", "reason"))

    def print(self) -> None:
        """Prints the frames, and what could not be looked at."""
        rows = [(r["sample_id"], str(r["frame"]), f"{r['relief']:.1f}", r["reason"]) for r in self.frames]
        print(
            text_table([("sample", "frame", "relief", "reason"), *rows]) if rows else "no frame is in doubt"
        )
        for problem in self.problems:
            print(f"note: sample {problem['sample_id']}: {problem['message']}")

    def __str__(self) -> str:
        return f"frames of {len(self.frames)} samples proposed" if self.frames else "no frame is in doubt"


@explained
def suggest_frames(
    samples: Samples | fo.Sample,
    pred_field: str,
    *,
    track_back: bool | str | HS2SVideoModel = False,
    tag: bool = False,
    progress: ProgressOption = None,
) -> FrameSuggestions:
    """Proposes, of each sample, the frame whose correction should help most.

    Every frame has a doubt: how unsure the tracker is, how far a track back from the last mask differs,
    whether the mask jumps or is gone. A mask takes away the more of a frame's doubt, the nearer it is,
    compared with the nearest mask that was given, and none of that of other scenes. The frame that takes most
    away of all is proposed, and this sum is its ``relief``, in frames of whole doubt. On the development
    split this gains more J&F than the frame that looks worst, and than the one in the middle: see
    ``docs/benchmarks.md``.

    The frame is written to the sample field ``<pred_field>_next_frame``: to the video as a temporal
    detection, which the App shows on the timeline; of a group of images, to the image itself as a
    classification. Correct it, call :func:`fiftyone_hs2s.repropagate`, and ask again.

    Args:
        samples: videos, clips, or images in ordered groups; or one of them
        pred_field: the frame field with the predictions and their keyframes; ``frames.`` may be left out
        track_back: whether to track the objects back and compare, or the model that does it (or its name): it
            takes as long as the propagation. Without, confidence, jumps and gaps are looked at alone
        tag: whether to tag the videos that a frame is proposed of, or the images: ``hs2s: next frame``
        progress: as for :func:`fiftyone_hs2s.find_failures`

    Returns:
        the frames

    Raises:
        HS2SError: if the field or the samples are unusable
    """
    samples = as_view(samples)
    prediction = check_field(samples, pred_field, "prediction")
    model = None if track_back is False else track_back
    if isinstance(model, bool | str):
        model = load_model() if model is True else load_model(model)
    found = FrameSuggestions(f"{prediction}_next_frame")
    cuts = read_scene_cuts(samples, prediction)
    series = new_series(samples, None, prediction, found.problems, progress, model)
    groups = {s.key: s.sample_ids for s in find_sequences(samples)} if is_image_groups(samples) else {}
    looked_at: set[str] = set()
    with closing(series):
        for item in series:
            images = groups.get(item.key)
            looked_at.update(images or [item.sample_id])
            found.frames += _rows(item, cuts.get(item.sample_id, []), images)
    found.frames.sort(key=lambda row: -row["relief"])
    _write(samples, found, looked_at, tag)
    group_run(samples, prediction)
    return found


def _rows(item: Series, cuts: list[int], images: Sequence[str] | None) -> Iterator[dict[str, Any]]:
    """The row of a video or clip, or of a group with these images; none if nothing is in doubt."""
    proposed = next_frame(item.sequence, cuts)
    if proposed is not None:
        name = object_name(item.names, proposed.object_id)
        yield {
            "sample_id": images[proposed.frame - 1] if images else item.sample_id,
            "frame": proposed.frame,
            "object": name,
            "relief": proposed.relief,
            "reason": _REASONS[proposed.reason].format(name=name),
        }


def _write(samples: Samples, found: FrameSuggestions, looked_at: set[str], tag: bool) -> None:
    """Writes what is found to its samples, and removes what an earlier call found of those looked at."""
    dataset, everything = root_dataset(samples), all_samples(samples)
    kind, label = (
        (fo.Classification, _on_image) if is_image_groups(samples) else (fo.TemporalDetections, _on_timeline)
    )
    rows: dict[str, list[dict[str, Any]]] = {sample_id: [] for sample_id in looked_at}
    for row in found.frames:
        rows[row["sample_id"]].append(row)
    values = {sample_id: label(own) if own else None for sample_id, own in rows.items()}
    dataset.add_sample_field(found.field, fo.EmbeddedDocumentField, embedded_doc_type=kind)
    everything.set_values(found.field, values, key_field="id", dynamic=True)
    if tag:
        everything.select(list(rows)).untag_samples(NEXT_FRAME_TAG)
        everything.select([i for i, own in rows.items() if own]).tag_samples(NEXT_FRAME_TAG)


def _on_image(rows: list[dict[str, Any]]) -> fo.Classification:
    (row,) = rows
    return fo.Classification(label=_LABEL, **{name: row[name] for name in _NOTED})


def _on_timeline(rows: list[dict[str, Any]]) -> fo.TemporalDetections:
    labels = [
        fo.TemporalDetection(label=_LABEL, support=[row["frame"]] * 2, **{name: row[name] for name in _NOTED})
        for row in rows
    ]
    return fo.TemporalDetections(detections=labels)
