"""Where in its first frame an object looks on a later one, as heatmaps: figure 1 of the paper for any
dataset."""

from __future__ import annotations

import dataclasses
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import fiftyone as fo
import numpy as np

from fiftyone_hs2s.adaptation import adapted_tracker
from fiftyone_hs2s.choices import did_you_mean
from fiftyone_hs2s.dataset.bars import fiftyone_reporting
from fiftyone_hs2s.dataset.compat import root_dataset
from fiftyone_hs2s.dataset.fields import check_detections, check_samples
from fiftyone_hs2s.dataset.find_sequences import find_sequences
from fiftyone_hs2s.dataset.frame_paths import field_name, field_path
from fiftyone_hs2s.dataset.objects import Identity
from fiftyone_hs2s.dataset.propagate.model import as_model
from fiftyone_hs2s.dataset.propagate.prompts import DatasetPrompts, sequence_prompts
from fiftyone_hs2s.dataset.sequences import LabeledSequence
from fiftyone_hs2s.dataset.skipping import skipping
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.progress import ProgressOption, counted
from fiftyone_hs2s.tracking import PromptPlan, track

if TYPE_CHECKING:
    from fiftyone_hs2s.dataset.propagate.model import HS2SVideoModel
    from fiftyone_hs2s.tracking import Frames

logger = logging.getLogger(__name__)

_MOST = 256
"""Longer side of the heatmaps in pixels: many times finer than what they show."""


@dataclass
class AttentionReport:
    """What :func:`attention_heatmaps` did.

    Attributes:
        field: the field with the heatmaps
        written: by the name of the sample, the numbers of the frames that have one now: the objects' first
            ones
        failed: why other samples have none, by name
    """

    field: str
    written: dict[str, list[int]] = dataclasses.field(default_factory=dict)
    failed: dict[str, str] = dataclasses.field(default_factory=dict)

    def __str__(self) -> str:
        failed = f", {len(self.failed)} without" if self.failed else ""
        return (
            f"{sum(map(len, self.written.values()))} heatmaps of {len(self.written)} samples in"
            f" {self.field}{failed}"
        )


def attention_heatmaps(
    samples: fo.Dataset | fo.DatasetView,
    prompt_field: str,
    label_field: str = "attention",
    *,
    frame: int,
    object: int | str | None = None,
    model: HS2SVideoModel | str | None = None,
    skip_failures: bool = True,
    progress: ProgressOption = None,
) -> AttentionReport:
    """Shows where in their first frame objects look on a chosen later one: what the network matches them with
    there.

    The objects are tracked from their masks to the chosen frame, against time if that lies before all of the
    masks; nothing but the heatmaps is written. A heatmap lies on the object's **first frame**, the one with
    its mask, since that is what it is a picture of; its attributes ``of_frame`` and ``objects`` say what it
    shows. Objects that share a first frame share its heatmap, the greatest value of them at each place. An
    earlier heatmap of the sample in the same field is replaced.

    Args:
        samples: videos, clips, or images in ordered groups
        prompt_field: the frame field with the masks to start from; ``frames.`` may be left out
        label_field: the frame field for the heatmaps; ``frames.`` may be left out
        frame: number of the chosen frame, from 1
        object: index, label, both (``dog 2``) or instance id of the object; None for all objects
        model: a model of :func:`fiftyone_hs2s.load_model`, or its name: that of the propagation, with its
            options; None for the default
        skip_failures: log a sample that fails and continue with the next one
        progress: whether to show a bar (None: as ``fiftyone.config.show_progress_bars`` says), or a function
            to call instead with a :class:`fiftyone_hs2s.progress.Progress` for each sample

    Returns:
        what was done

    Raises:
        HS2SError: if a field or the network cannot be used; without ``skip_failures`` also if a sample fails:
            it has no such object or frame, or the object is not in view there
    """
    check_samples(samples)
    prompts = check_detections(samples, prompt_field)
    name = _check_label_field(samples, label_field)
    if isinstance(frame, bool) or not isinstance(frame, int) or frame < 1:
        raise HS2SError(f"the frame is a number from 1, not {frame!r}")
    model = as_model(model)
    report = AttentionReport(name)
    sequences = find_sequences(samples)
    with fiftyone_reporting(progress) as show, model:
        for sequence in counted(sequences, len(sequences), show):
            with skipping(sequence, report.failed, skip_failures, logger):
                maps = _maps(sequence, prompts, frame, object, model)
                sequence.add_field(name, fo.Heatmap, of_frame=fo.IntField, objects=fo.StringField)
                sequence.clear(name)
                sequence.write(name, maps)
                report.written[sequence.name] = [sequence.number(index) for index in maps]
    return report


def _check_label_field(samples: fo.Dataset | fo.DatasetView, label_field: str) -> str:
    """The name without ``frames.``.

    Raises:
        HS2SError: if it is no name, or that of a field of another kind
    """
    name, dataset = field_name(label_field), root_dataset(samples)
    if not name.isidentifier():
        raise HS2SError(f"{label_field!r} cannot be a field name: use letters, digits and underscores")
    there = dataset.get_field(field_path(samples, name))
    if there is not None and getattr(there, "document_type", None) is not fo.Heatmap:
        raise HS2SError(
            f"the field {label_field!r} holds something other than a Heatmap: choose another name"
        )
    return name


def _maps(
    sequence: LabeledSequence, prompt_field: str, frame: int, chosen: int | str | None, model: HS2SVideoModel
) -> dict[int, fo.Heatmap]:
    """The heatmaps of a sequence by the index of the objects' first frames."""
    frames, index = sequence.open(), frame - sequence.number(0)
    if index >= len(frames):
        frames.verify_length()
    if not 0 <= index < len(frames):
        span = f"{sequence.number(0)} to {sequence.number(len(frames) - 1)}"
        raise HS2SError(frames.incomplete or f"there is no frame {frame}: choose one from {span}")
    prompts = sequence_prompts(sequence, prompt_field, frames)
    plan = model.plan(frames, prompts, "backward" if index < min(prompts.ids()) else "forward", "first")
    identities = prompts.identities
    ids = _choose(identities, chosen)
    looked_at = _look(model, frames, plan, index, ids)
    if not looked_at:
        raise HS2SError(f"{_names(identities, ids)} is not in view on frame {frame}, so it looks nowhere")
    first = {i: at for at, anchored in plan.anchors.items() for i in anchored}
    groups = {at: [i for i in looked_at if first[i] == at] for at in sorted({first[i] for i in looked_at})}
    return {
        at: _heatmap(np.max([looked_at[i] for i in group], axis=0), frame, _names(identities, group))
        for at, group in groups.items()
    }


def _look(
    model: HS2SVideoModel, frames: Frames, plan: PromptPlan[DatasetPrompts], index: int, ids: list[int]
) -> dict[int, np.ndarray]:
    """Where objects look on the frame ``index``, float32 (H, W) by id; those not in view are left out."""
    tracker = adapted_tracker(model.tracker, frames, plan, model.adapt)
    if not any(at == index for at, _ in track(tracker, frames, plan)):  # stops there
        raise HS2SError(frames.incomplete or "the video ends before that frame: choose an earlier one")
    found = {i: tracker.first_frame_attention(i) for i in ids if i in tracker.ids}
    return {i: seen for i, seen in found.items() if seen.any()}


def _choose(identities: dict[int, Identity], chosen: int | str | None) -> list[int]:
    """The ids of the objects that are meant."""
    found = [i for i, identity in identities.items() if chosen is None or identity.is_called(chosen)]
    if not found:
        names = [identity.name for identity in identities.values()]
        raise HS2SError(f"there is no object {chosen!r}: {did_you_mean(chosen, names)}")
    return found


def _names(identities: dict[int, Identity], ids: list[int]) -> str:
    return ", ".join(identities[i].name for i in ids)


def _heatmap(attention: np.ndarray, frame: int, objects: str) -> fo.Heatmap:
    scale = min(1.0, _MOST / max(attention.shape))
    height, width = (max(1, round(side * scale)) for side in attention.shape)
    small = cv2.resize(attention, (width, height), interpolation=cv2.INTER_AREA)
    heatmap = fo.Heatmap(map=np.round(small / small.max() * 255).astype(np.uint8), range=[0, 255])
    heatmap["of_frame"], heatmap["objects"] = frame, objects
    return heatmap
