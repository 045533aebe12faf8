"""Tracks stretches of a sequence again, from the keyframes at their ends, and puts the result among what
is there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

import fiftyone as fo
import numpy as np

from fiftyone_hs2s.dataset.claims import Claim
from fiftyone_hs2s.dataset.objects import FrameObject, ObjectKey, label_map_to_detections, read_objects
from fiftyone_hs2s.dataset.propagate.keyframes import (
    Keyframe,
    ObjectTrack,
    is_keyframe,
    is_ours,
    key_of,
    merged,
    read_tracks,
    sign,
)
from fiftyone_hs2s.dataset.propagate.model import HS2SVideoModel
from fiftyone_hs2s.dataset.propagate.stretches import Stretch
from fiftyone_hs2s.dataset.sequences import LabeledSequence
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.progress import Progress
from fiftyone_hs2s.tracking import Frames
from fiftyone_hs2s.tracking.between import track_between


class TrackField:
    """A field of a sequence in which keyframes of persons and results of runs lie side by side.

    Args:
        sequence: one of :func:`fiftyone_hs2s.dataset.find_sequences.whole_sequences`
        name: the field, without ``frames.``
        batch_size: number of frames that are written at once
    """

    def __init__(self, sequence: LabeledSequence, name: str, batch_size: int = 200) -> None:
        self.sequence, self.name, self._batch_size = sequence, name, batch_size

    def tracks(self) -> dict[ObjectKey, ObjectTrack]:
        """Reads what there is.

        Raises:
            HS2SError: if objects cannot be told apart
        """
        labels = ((index, detections) for index, (detections,) in self.sequence.read(self.name))
        return read_tracks(labels, self.sequence.number(0))

    def masks(self, index: int, size: tuple[int, int]) -> dict[ObjectKey, FrameObject]:
        """The objects of a frame: the keyframe of each, else what a run has found."""
        labels = self.sequence.read_at(self.name, index)
        found = labels.detections if labels else []
        given = {key_of(d) for d in found if is_keyframe(d)}
        counted = [d for d in found if is_keyframe(d) or (is_ours(d) and key_of(d) not in given)]
        return read_objects(fo.Detections(detections=counted), size)

    def put(
        self,
        results: Iterator[tuple[int, list[fo.Detection]]],
        tracks: Mapping[ObjectKey, ObjectTrack],
        claim: Claim,
    ) -> set[int]:
        """Puts what was found of some objects in the place of what runs of ours found before.

        Args:
            results: index and detections of each frame
            tracks: the objects
            claim: checked before each batch is written

        Returns:
            the indices of the frames written
        """
        written: set[int] = set()
        batch: dict[int, list[fo.Detection]] = {}
        for index, detections in results:
            batch[index] = detections
            if len(batch) == self._batch_size:
                written |= self._write(batch, tracks, claim)
        return written | self._write(batch, tracks, claim)

    def _write(
        self, batch: dict[int, list[fo.Detection]], tracks: Mapping[ObjectKey, ObjectTrack], claim: Claim
    ) -> set[int]:
        claim.check()
        self.sequence.check_there(self.name)
        new = {
            index: merged(self.sequence.read_at(self.name, index), found, tracks)
            for index, found in batch.items()
        }
        if new:
            self.sequence.write(self.name, new)
        batch.clear()
        return {*new}


def redo(
    model: HS2SVideoModel,
    frames: Frames,
    field: TrackField,
    stretch: Stretch,
    tracks: Mapping[ObjectKey, ObjectTrack],
    run_id: str,
    on_step: Callable[[], object] = lambda: None,
) -> Iterator[tuple[int, list[fo.Detection]]]:
    """Tracks objects through a stretch. Other objects of its ends compete for the pixels; they are not
    returned.

    Args:
        model: has the tracker, which is reset
        frames: the sequence
        field: where the masks are
        stretch: the frames
        tracks: the objects to track
        run_id: names the run, in the labels
        on_step: called after each frame of each pass

    Yields:
        index and new detections of each frame between the keyframes; none for keyframes that replace a run's
        label

    Raises:
        HS2SError: if a frame cannot be read, or a mask is unusable
    """
    if stretch.last >= len(frames):
        number = field.sequence.number(stretch.last)
        raise HS2SError(
            f"frame {number} has labels but cannot be read: {frames.incomplete or 'the video ends before'}"
        )
    numbers: dict[ObjectKey, int] = {}
    before = _numbered(field.masks(stretch.first, frames.size), numbers) if stretch.before else {}
    after = _numbered(field.masks(stretch.last, frames.size), numbers) if stretch.after else {}
    identities = {numbers[key]: track.identity for key, track in tracks.items()}
    parents = {key: [keyframe for _, keyframe in _ends(track, stretch)] for key, track in tracks.items()}
    part = frames[stretch.first : stretch.last + 1]
    for index, tracked in track_between(model.tracker, part, before, after, on_step, model.scene_cuts):
        found = label_map_to_detections(tracked.label_map, identities, tracked.confidence).detections
        for detection in found:
            sign(detection, run_id, parents[key_of(detection)])
        yield stretch.first + index, found
    ends = {
        i
        for track in tracks.values()
        for i, _ in _ends(track, stretch)
        if i in {*track.parents, *track.corrected}
    }
    yield from (
        (index, []) for index in sorted(ends)
    )  # what runs found there gives way, and what was corrected becomes a keyframe
    if part.incomplete:
        raise HS2SError(f"a frame between the keyframes cannot be read: {part.incomplete}")


class RedoneFrames:
    """Reports the frames that are done of some stretches.

    Args:
        stretches: the stretches
        show: told of each frame
    """

    def __init__(self, stretches: Iterable[Stretch], show: Callable[[Progress], Any]) -> None:
        self._done, self._total, self._show = 0, sum(stretch.steps for stretch in stretches), show

    def __call__(self) -> None:
        self._done += 1
        self._show(Progress(self._done, max(self._done, self._total), "frame"))


def redo_all(
    model: HS2SVideoModel,
    frames: Frames,
    field: TrackField,
    todo: Mapping[Stretch, Collection[ObjectKey]],
    tracks: Mapping[ObjectKey, ObjectTrack],
    run_id: str,
    claim: Claim,
    show: Callable[[Progress], Any],
) -> int:
    """Tracks the objects of each stretch, and writes the results.

    Args:
        model: has the tracker, which is reset
        frames: the sequence
        field: where the masks are
        todo: the objects to track, by stretch
        tracks: all objects
        run_id: names the run, in the labels
        claim: checked before each batch is written
        show: told of each frame that is done

    Returns:
        number of frames written

    Raises:
        HS2SError: if a frame cannot be read, or a mask is unusable
    """
    written: set[int] = set()  # a keyframe is the end of two stretches
    steps = RedoneFrames(todo, show)
    for stretch, keys in todo.items():
        chosen = {key: tracks[key] for key in keys}
        written |= field.put(redo(model, frames, field, stretch, chosen, run_id, steps), chosen, claim)
    return len(written)


def _numbered(
    objects: Mapping[ObjectKey, FrameObject], numbers: dict[ObjectKey, int]
) -> dict[int, np.ndarray]:
    return {numbers.setdefault(key, len(numbers) + 1): found.mask for key, found in objects.items()}


def _ends(track: ObjectTrack, stretch: Stretch) -> list[tuple[int, Keyframe]]:
    ends = ((stretch.first, stretch.before), (stretch.last, stretch.after))
    return [(index, track.keyframes[index]) for index, there in ends if there]
