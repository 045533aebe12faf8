"""Tracking that minds scene cuts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from fiftyone_hs2s.tracking.result import TrackedFrame
from fiftyone_hs2s.tracking.scene_cuts import CutDetector
from fiftyone_hs2s.tracking.seen import SeenFrame
from fiftyone_hs2s.tracking.tracker import Tracker


class SceneFrame(NamedTuple):
    """A frame as :meth:`SceneTracker.see` gives it."""

    seen: SeenFrame
    begins_scene: bool


class SceneTracker:
    """A tracker that is shown the frames of one pass, and minds the cuts among them.

    Args:
        tracker: it is reset
        scene_cuts: "ignore" tracks on over a cut; "stop" ends the track of each object there, until it has
            another mask; "restart" forgets the scene, and looks for each object anew from its last mask
        on_cut: called with the number of frames tracked before, where a scene begins
    """

    def __init__(self, tracker: Tracker, scene_cuts: str, on_cut: Callable[[int], object]) -> None:
        self._tracker, self._scene_cuts, self._on_cut = tracker, scene_cuts, on_cut
        self._detector, self._tracked = CutDetector(), 0
        self._anchors: dict[int, tuple[int, SeenFrame, np.ndarray]] = {}
        """Of each object the last frame with a mask that was given: its place, the frame, the mask."""
        tracker.reset()

    def see(self, frame: np.ndarray) -> SceneFrame:
        """As :meth:`Tracker.see`, of the frames in order; it may run ahead of :meth:`step`."""
        return SceneFrame(self._tracker.see(frame), self._detector.begins_scene(frame))

    def step(self, frame: SceneFrame, masks: Mapping[int, np.ndarray] | None = None) -> TrackedFrame:
        """As :meth:`Tracker.step`; where no object is tracked, nothing is found."""
        masks = masks or {}
        if frame.begins_scene:
            self._on_cut(self._tracked)
            self._leave_scene(set(masks))
        if self._scene_cuts == "restart":
            self._anchors |= {i: (self._tracked, frame.seen, mask) for i, mask in masks.items()}
        self._tracked += 1
        if not masks and not self._tracker.ids:
            return TrackedFrame(np.zeros(frame.seen.size, np.uint8), {}, {})
        return self._tracker.step(frame.seen, masks)

    def _leave_scene(self, given: set[int]) -> None:
        """Ends the tracks; starts them again from their last masks, but for objects with a mask here."""
        if self._scene_cuts == "ignore":
            return
        self._tracker.reset()
        again = {i: anchor for i, anchor in self._anchors.items() if i not in given}
        frames = {place: frame for place, frame, _ in again.values()}
        for place, frame in sorted(frames.items(), key=lambda item: item[0]):
            self._tracker.step(frame, {i: mask for i, (at, _, mask) in again.items() if at == place})
