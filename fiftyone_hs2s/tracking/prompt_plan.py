"""Prompts, the masks that objects are tracked from, and the plan of which are used: made once, before
tracking."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, cast, runtime_checkable

import numpy as np

from fiftyone_hs2s.choices import DIRECTIONS, PROMPT_FRAMES, SCENE_CUTS, check_choice
from fiftyone_hs2s.errors import MaskError, VideoError
from fiftyone_hs2s.tracking.frames import Frames

MasksByFrame = Mapping[int, Mapping[int, np.ndarray]]
"""{frame index (0-based): {object id: bool mask (H, W)}}"""


@runtime_checkable
class Prompts(Protocol):
    """Masks that objects can be tracked from. Their ids are known of all frames, the masks are read when
    asked for."""

    def ids(self) -> Mapping[int, Sequence[int]]:
        """The ids (1, 2, ...) of the objects with pixels, by 0-based frame index."""

    def masks(self, index: int) -> Mapping[int, np.ndarray]:
        """The bool masks (H, W) of a frame, by id."""


P = TypeVar("P", bound=Prompts)


class MaskArrays:
    """Prompts that are in the memory.

    Args:
        masks: by frame index and object id; an empty mask is none
    """

    def __init__(self, masks: MasksByFrame) -> None:
        self._masks = masks

    def ids(self) -> Mapping[int, Sequence[int]]:
        """See :class:`Prompts`."""
        return {index: [i for i, mask in self._masks[index].items() if np.any(mask)] for index in self._masks}

    def masks(self, index: int) -> Mapping[int, np.ndarray]:
        """See :class:`Prompts`."""
        return self._masks[index]


@dataclass(frozen=True)
class PromptPlan(Generic[P]):
    """Which prompts are used.

    Attributes:
        prompts: where the masks come from
        direction: "forward", "backward" or "both"
        anchors: ids of the objects to anchor on each frame, by index: all that is held of the prompts
            throughout
        scene_cuts: "ignore", "stop" or "restart"
    """

    prompts: P
    direction: str
    anchors: dict[int, list[int]]
    scene_cuts: str = "ignore"

    @property
    def first(self) -> int:
        """The first frame with an anchor."""
        return min(self.anchors)

    @property
    def last(self) -> int:
        """The last frame with an anchor."""
        return max(self.anchors)

    def masks(self, index: int) -> dict[int, np.ndarray]:
        """The masks of the objects to anchor on a frame; none on most frames."""
        ids = self.anchors.get(index)
        if not ids:
            return {}
        found = self.prompts.masks(index)
        return {i: found[i] for i in ids}

    def starts(self) -> dict[int, list[int]]:
        """Of each object only its first anchor."""
        return _first_only(self.anchors)

    def both_ways(self) -> tuple[PromptPlan, PromptPlan]:
        """Of "both": the plan of the backward pass, from first anchors after the first frame, and of the
        forward one.

        The masks that both need are read once, and kept as bits in between: there is one of these frames an
        object.
        """
        later = {index: ids for index, ids in self.starts().items() if index > 0}
        prompts: Prompts = self.prompts
        if not isinstance(prompts, MaskArrays):
            prompts = _ReadOnce(prompts, later)
        ways = (("backward", later), ("forward", self.anchors))
        backward, forward = (PromptPlan(prompts, way, anchors, self.scene_cuts) for way, anchors in ways)
        return backward, forward


def plan_prompts(
    frames: Frames,
    prompts: P | MasksByFrame | PromptPlan[P],
    direction: str = "forward",
    prompt_frames: str = "first",
    scene_cuts: str = "ignore",
) -> PromptPlan[P]:
    """Chooses the prompts that :func:`fiftyone_hs2s.tracking.track` uses, of which it documents arguments and
    errors.

    A plan is given back as it is.
    """
    if isinstance(prompts, PromptPlan):
        return prompts
    check_choice("direction", direction, DIRECTIONS)
    check_choice("prompt_frames", prompt_frames, PROMPT_FRAMES)
    check_choice("scene_cuts", scene_cuts, SCENE_CUTS)
    source = prompts if isinstance(prompts, Prompts) else MaskArrays(prompts)
    anchors = {index: list(ids) for index, ids in sorted(source.ids().items()) if ids}
    if not anchors:
        raise MaskError("None of the masks has a pixel: give a mask on which an object is visible.")
    if max(anchors) >= len(frames):
        frames.verify_length()
    if max(anchors) >= len(frames):
        raise missing_frame(max(anchors), frames)
    if prompt_frames == "first":
        anchors = _first_only(anchors, direction == "backward")
    return PromptPlan(cast("P", source), direction, anchors, scene_cuts)


def _first_only(anchors: dict[int, list[int]], backward: bool = False) -> dict[int, list[int]]:
    """Of each object only the anchor that comes first in the direction of travel."""
    seen: set[int] = set()
    chosen = {}
    for index in sorted(anchors, reverse=backward):
        if new := [i for i in anchors[index] if i not in seen]:
            seen.update(new)
            chosen[index] = new
    return chosen


class _ReadOnce:
    """Prompts of which some frames are asked for twice, and read once.

    Args:
        prompts: the prompts, with bool masks
        twice: these frames
    """

    def __init__(self, prompts: Prompts, twice: Collection[int]) -> None:
        self._prompts, self._twice = prompts, set(twice)
        self._kept: dict[int, dict[int, tuple[np.ndarray, tuple[int, ...]]]] = {}

    def ids(self) -> Mapping[int, Sequence[int]]:
        return self._prompts.ids()

    def masks(self, index: int) -> Mapping[int, np.ndarray]:
        if (kept := self._kept.pop(index, None)) is not None:
            return {i: _unpacked(bits, shape) for i, (bits, shape) in kept.items()}
        masks = self._prompts.masks(index)
        if index in self._twice:
            self._kept[index] = {i: (np.packbits(mask), mask.shape) for i, mask in masks.items()}
        return masks


def _unpacked(bits: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return np.unpackbits(bits, count=int(np.prod(shape))).reshape(shape).astype(bool)


class MissingFrameError(VideoError):
    """A frame that has a mask cannot be read.

    Args:
        index: the frame, 0-based
        reason: why, in a sentence
        first_number: number of the video's first frame, for readers who do not count from 0
    """

    def __init__(self, index: int, reason: str, first_number: int = 0) -> None:
        self.index, self.reason = index, reason
        counted = "" if first_number else " (counted from 0)"
        super().__init__(
            f"There is a mask for frame {index + first_number}{counted}, which cannot be read. {reason}"
        )

    def numbered_from(self, first_number: int) -> MissingFrameError:
        """The same, in other frame numbers."""
        return MissingFrameError(self.index, self.reason, first_number)


def missing_frame(index: int, frames: Frames) -> MissingFrameError:
    """The error that says why a frame of a video is missing."""
    return MissingFrameError(index, frames.incomplete or f"The video has {len(frames)} frames.")
