"""The frames between two frames whose masks are known, tracked from both and blended."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from fiftyone_hs2s.errors import MaskError
from fiftyone_hs2s.masks import label_dtype
from fiftyone_hs2s.tracking.frames import Frames
from fiftyone_hs2s.tracking.result import TrackedFrame
from fiftyone_hs2s.tracking.scene_tracker import SceneTracker
from fiftyone_hs2s.tracking.tracker import Tracker

Masks = Mapping[int, np.ndarray]
"""Bool mask (H, W) by object id."""
_SURE = 255
"""A probability of 1 where it waits on disk, as uint8."""


def track_between(
    tracker: Tracker,
    frames: Frames,
    before: Masks,
    after: Masks,
    on_step: Callable[[], object] = lambda: None,
    scene_cuts: str = "ignore",
) -> Iterator[tuple[int, TrackedFrame]]:
    """Tracks from the first frame forward and from the last one backward, and blends the two.

    Each pass counts by how near it is in time to where it started, times how sure it is of the object: what
    was known at either end joins without a step. An object that is known at one end alone is taken from that
    pass. The backward pass runs first; its probabilities wait in a temporary folder, so memory does not grow
    with the number of frames.

    Args:
        tracker: it is reset
        frames: the stretch: its first frame is the one of ``before``, its last the one of ``after``
        before: the masks on the first frame; may be empty
        after: the masks on the last frame; may be empty
        on_step: called after each frame of each pass
        scene_cuts: as for :func:`fiftyone_hs2s.tracking.track`, in each pass

    Yields:
        index in the stretch (0-based) and what was found, for the frames between the two; with ``before`` or
        ``after`` empty, for all frames but the one that has masks

    Raises:
        MaskError: if there is no mask at either end, or one does not fit
    """
    if not before and not after:
        raise MaskError("There is no mask to start from, neither before nor after the frames to track.")
    last = len(frames) - 1
    with tempfile.TemporaryDirectory(prefix="hs2s-") as folder:
        waiting = _Waiting(Path(folder))
        if after:
            for steps, tracked in _pass(
                tracker, frames.reversed(), after, last if before else last + 1, on_step, scene_cuts
            ):
                waiting.put(last - steps, tracked)
        if not before:
            yield from ((index, waiting.take(index)) for index in range(last))
            return
        for index, tracked in _pass(
            tracker, frames, before, last if after else last + 1, on_step, scene_cuts
        ):
            yield index, _blend(tracked, waiting.take(index), index / last) if after else tracked


def _pass(
    tracker: Tracker, frames: Frames, masks: Masks, stop: int, on_step: Callable[[], object], scene_cuts: str
) -> Iterator[tuple[int, TrackedFrame]]:
    """The frames from the second one up to ``stop``, tracked from the masks on the first."""
    scenes = SceneTracker(tracker, scene_cuts, lambda shown: None)
    for index, frame in enumerate(frames):
        if index >= stop:
            break
        tracked = scenes.step(scenes.see(frame), masks if index == 0 else None)
        on_step()
        if index > 0:
            yield index, tracked


def _blend(forward: TrackedFrame, backward: TrackedFrame, time: float) -> TrackedFrame:
    """Both passes' view of a frame.

    Args:
        forward, backward: what they found
        time: where the frame lies between the ends, 0..1
    """
    ids = sorted({*forward.confidence, *backward.confidence})
    probabilities: dict[int, np.ndarray] = {}
    confidence: dict[int, float] = {}
    for object_id in ids:
        sides = [
            (side, near)
            for side, near in ((forward, 1 - time), (backward, time))
            if object_id in side.confidence
        ]
        shares = np.array([near * max(side.confidence[object_id], 1e-3) for side, near in sides])
        shares /= shares.sum()
        parts = [
            share * side.probabilities[object_id] for share, (side, _) in zip(shares, sides, strict=True)
        ]
        probabilities[object_id] = np.asarray(sum(parts), np.float32)
        certain = [side.confidence[object_id] for side, _ in sides]
        confidence[object_id] = float(np.dot(shares, certain))
    return _decided(probabilities, confidence, forward.label_map.shape)


def _decided(
    probabilities: dict[int, np.ndarray], confidence: dict[int, float], size: tuple[int, ...]
) -> TrackedFrame:
    """Gives each pixel to the object of the greatest probability, if that is above a half."""
    ids = list(probabilities)
    if not ids:  # both passes have left their scenes
        return TrackedFrame(np.zeros(size, np.uint8), {}, {})
    stack = np.stack([probabilities[object_id] for object_id in ids])
    best = stack.argmax(0)
    label_map = np.where(stack.max(0) > 0.5, np.array(ids)[best], 0).astype(label_dtype(ids))
    return TrackedFrame(label_map, confidence, probabilities)


class _Waiting:
    """Probabilities of the backward pass, on disk until the forward pass comes by.

    Args:
        folder: an empty one
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._confidence: dict[int, dict[int, float]] = {}
        self._size: tuple[int, ...] = ()

    def put(self, index: int, tracked: TrackedFrame) -> None:
        """Keeps a frame."""
        self._confidence[index], self._size = tracked.confidence, tracked.label_map.shape
        for object_id in tracked.confidence:
            values = np.round(tracked.probabilities[object_id] * _SURE).astype(np.uint8)
            Image.fromarray(values).save(self._file(index, object_id), compress_level=1)

    def take(self, index: int) -> TrackedFrame:
        """Gives a frame back, and forgets it."""
        confidence = self._confidence.pop(index)
        probabilities = {}
        for object_id in confidence:
            path = self._file(index, object_id)
            with Image.open(path) as image:
                probabilities[object_id] = np.asarray(image, np.float32) / _SURE
            path.unlink()
        return _decided(probabilities, confidence, self._size)

    def _file(self, index: int, object_id: int) -> Path:
        return self._folder / f"{index}-{object_id}.png"
