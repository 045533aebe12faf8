"""Propagates objects of one frame, within the field that they are in."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import Any
from uuid import uuid4

import fiftyone as fo
import numpy as np

from fiftyone_hs2s.choices import DIRECTIONS, UNTILS, Direction, Until, check_choice
from fiftyone_hs2s.dataset.bars import fiftyone_reporting
from fiftyone_hs2s.dataset.claims import Claim
from fiftyone_hs2s.dataset.coloring import color_by_instance
from fiftyone_hs2s.dataset.compat import Samples
from fiftyone_hs2s.dataset.database import explained
from fiftyone_hs2s.dataset.fields import check_detections, check_samples
from fiftyone_hs2s.dataset.find_sequences import whole_sequences
from fiftyone_hs2s.dataset.frame_paths import KEYFRAME
from fiftyone_hs2s.dataset.objects import Identity, ObjectKey, label_map_to_detections
from fiftyone_hs2s.dataset.propagate.keyframes import (
    PROPAGATION,
    completed,
    is_box,
    is_keyframe,
    is_ours,
    key_of,
    sign_keyframe,
)
from fiftyone_hs2s.dataset.propagate.made_masks import make_masks
from fiftyone_hs2s.dataset.propagate.model import HS2SVideoModel, as_model
from fiftyone_hs2s.dataset.propagate.prompt_readers import read_detections
from fiftyone_hs2s.dataset.propagate.propagation_report import PropagationReport
from fiftyone_hs2s.dataset.propagate.redo import TrackField, redo_all
from fiftyone_hs2s.dataset.propagate.stretches import Stretch, stretches_beside
from fiftyone_hs2s.dataset.sample_views import as_view
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.progress import Progress, ProgressOption
from fiftyone_hs2s.tracking import Frames


@explained
def propagate_object(
    sample: fo.Sample | Samples,
    label_field: str,
    frame: int,
    objects: str | int | Collection[str | int] | None = None,
    model: HS2SVideoModel | str | None = None,
    *,
    direction: Direction = "forward",
    until: Until = "end",
    span: tuple[int, int] | None = None,
    batch_size: int = 200,
    progress: ProgressOption = None,
) -> PropagationReport:
    """Propagates objects from one frame of a sample, within the field that they are in.

    Their labels on that frame become keyframes; of a box without a mask the model's mask maker makes the mask
    first. Where the object has other keyframes on the way, the frames between two of them are tracked from
    both and blended, as in :func:`fiftyone_hs2s.repropagate`. Only what runs of fiftyone-hs2s made of these
    objects is replaced; other objects compete for the pixels, and stay as they are.

    Args:
        sample: a video sample, a clip (its whole video is meant), or a view of one of them, or of one ordered
            group of images
        label_field: the frame field with the detections; ``frames.`` may be left out
        frame: the number of the frame, from 1; of a group of images the position in it
        objects: which objects: ids of labels or of instances, indices, or names such as ``"dog 2"``; None for
            all that have a mask on the frame, and those that have one nowhere but a box here
        model: a model of :func:`fiftyone_hs2s.load_model`, or its name; None for the default. Its ``adapt``
            is not used
        direction: ``"forward"``, ``"backward"`` or ``"both"``
        until: ``"end"`` goes to the end of the video (or its start), ``"keyframe"`` to the object's next
            keyframe if there is one
        span: the first and last frame number to write to at most; None for the whole video
        batch_size: number of frames whose labels are written at once
        progress: as for :func:`fiftyone_hs2s.propagate`

    Returns:
        what was done

    Raises:
        HS2SError: if the field, the frame or the objects cannot be used, or the sample cannot be tracked
    """
    samples = as_view(sample)
    check_samples(samples)
    name = check_detections(samples, label_field)
    check_choice("direction", direction, DIRECTIONS)
    check_choice("until", until, UNTILS)
    sequences = whole_sequences(samples)
    if len(sequences) != 1:
        raise HS2SError(f"propagate_object() takes one sample, and there are {len(sequences)}: choose one")
    (sequence,) = sequences
    model = as_model(model)
    report, run_id = PropagationReport(), uuid4().hex
    with (
        fiftyone_reporting(progress) as show,
        model,
        Claim(sequence.dataset, f"{sequence.owner} in the field {name!r}") as claim,
    ):
        frames, labels = sequence.open(), TrackField(sequence, name, batch_size)
        start = _Start(labels, frames, frame - sequence.number(0), model, run_id)
        keys = start.prepare(_wanted(objects))
        tracks = labels.tracks()
        reach = _reach(start.index, direction, span, sequence.number(0), len(frames))
        todo: dict[Stretch, list[ObjectKey]] = {}
        for key in keys:
            for stretch in stretches_beside(tracks[key], start.index, *reach, until == "keyframe"):
                todo.setdefault(stretch, []).append(key)
        within = partial(_show, show)
        report.frames = redo_all(model, frames, labels, todo, tracks, run_id, claim, within)
        report.made.update(start.made)
        report.complete.append(sequence.name)
    color_by_instance(sequence.dataset)
    return report


def _show(show: Callable[[Progress], Any], within: Progress) -> None:
    show(Progress(0, 1, within=within))


def _wanted(objects: str | int | Collection[str | int] | None) -> set[str] | None:
    if objects is None:
        return None
    return {str(each) for each in ([objects] if isinstance(objects, str | int) else objects)}


def _reach(
    index: int, direction: Direction, span: tuple[int, int] | None, first_number: int, length: int
) -> tuple[int, int]:
    """The first and last frame to track, 0-based."""
    first, last = (0, length - 1) if span is None else (number - first_number for number in span)
    if not 0 <= first <= index <= last:
        raise HS2SError(f"span={span} is not a range of frames with frame {index + first_number} in it")
    first, last = max(first, 0), min(last, length - 1)
    return (index if direction == "forward" else first), (index if direction == "backward" else last)


class _Start:
    """The frame that objects are propagated from.

    Args:
        labels: the field
        frames: the video
        index: the frame, 0-based
        model: has the mask maker
        run_id: names the run, in labels whose masks are made
    """

    def __init__(
        self, labels: TrackField, frames: Frames, index: int, model: HS2SVideoModel, run_id: str
    ) -> None:
        self._labels, self._frames, self.index = labels, frames, index
        self._maker, self._run_id = model.mask_maker, run_id
        self.number = labels.sequence.number(index)
        self.made: list[str] = []
        """What masks were made of, and by which maker."""

    def prepare(self, wanted: set[str] | None) -> list[ObjectKey]:
        """Makes keyframes of the objects' labels.

        Args:
            wanted: what names them; None for all

        Returns:
            the objects
        """
        sequence, name = self._labels.sequence, self._labels.name
        if not 0 <= self.index < len(self._frames):
            raise HS2SError(f"there is no frame {self.number}: the video has {len(self._frames)}")
        there = sequence.read_at(name, self.index)
        found = [d for d in (there.detections if there else ()) if is_keyframe(d) or is_ours(d) or is_box(d)]
        chosen = self._all(found) if wanted is None else [d for d in found if _names(d) & wanted]
        if not chosen:
            names = ", ".join(sorted({Identity.of(d).name for d in found}))
            on = f"frame {self.number} of the field {name!r}"
            raise HS2SError(
                f"none of the objects is on {on}, which has {names}"
                if names
                else f"{on} has no object: choose a frame with a mask or a box"
            )
        changed = [label for label in chosen if not is_keyframe(label) or key_of(label)[0] == "label"]
        for label in changed:
            self._complete(label)
        if there and changed:
            sequence.write(name, {self.index: there})
        return list(dict.fromkeys(key_of(label) for label in chosen))

    def _all(self, found: list[fo.Detection]) -> list[fo.Detection]:
        """All but boxes of objects that have a mask somewhere: FiftyOne copies such to later frames."""
        tracks = self._labels.tracks()
        masked = {key for key, track in tracks.items() if track.keyframes or track.parents}
        return [d for d in found if d.has_mask or key_of(d) not in masked]

    def _complete(self, label: fo.Detection) -> None:
        """Makes a keyframe of a label: a box gets a mask, what a run made is taken for right."""
        if key_of(label)[0] == "label":
            label.instance = fo.Instance()
        if label.has_mask:
            label[KEYFRAME] = True
            return
        mask, maker = self._made_mask(label)
        (made,) = label_map_to_detections(mask.astype(np.uint8), {1: Identity.of(label)}).detections
        made[PROPAGATION] = {"prompt": "box", "mask_maker": maker}
        sign_keyframe(completed([label], made), self._run_id)

    def _made_mask(self, label: fo.Detection) -> tuple[np.ndarray, str]:
        """The mask of a box, and which maker made it."""
        what = Identity.of(label).name
        if self._maker is None:
            raise HS2SError(f"frame {self.number} has a box of {what} and no mask: choose a mask maker")
        one = fo.Detections(detections=[label])
        hints = read_detections(one, self._frames.size, {}).hints
        hinted = {key: (self.index, each) for key, each in hints.items()}
        made = make_masks(self._maker, self._frames, hinted, self.number - self.index)
        if not made:
            raise HS2SError(
                f"frame {self.number}: {self._maker.name} finds nothing in the box of {what}: draw its mask"
            )
        self.made.append(f"box by {self._maker.name}")
        return next(iter(made.values())).mask(), self._maker.name


def _names(detection: fo.Detection) -> set[str]:
    """All that a detection's object is called by; the last is FiftyOne's."""
    identity = Identity.of(detection)
    parts = (detection.id, identity.instance, identity.index, identity.name)
    names = {str(part) for part in parts if part is not None}
    return names if identity.index is None else {*names, f"track-{identity.index}"}
