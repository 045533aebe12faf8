"""Online adaptation: before a video is tracked, a copy of the network learns from the masks that were
given for it."""

from __future__ import annotations

import logging
import math

import cv2
import numpy as np

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.masks import draw_masks, fit_mask
from fiftyone_hs2s.tracking import Frames, PromptPlan, Prompts, Tracker, plan_prompts
from fiftyone_hs2s.tracking.prompt_plan import MasksByFrame

logger = logging.getLogger(__name__)

MOST_PICTURES = 32
"""How many of the frames with masks are learned from, so that memory does not grow with the video."""

Picture = tuple[np.ndarray, np.ndarray]
"""uint8 RGB (H, W, 3), and the label map uint8 (H, W)."""


def adapted_tracker(
    tracker: Tracker,
    frames: Frames,
    prompts: Prompts | MasksByFrame | PromptPlan,
    seconds: float,
    direction: str = "forward",
    prompt_frames: str = "first",
    steps: int | None = None,
) -> Tracker:
    """A tracker for one video, whose network has learned from the masks that
    :func:`fiftyone_hs2s.tracking.track` uses.

    Args:
        tracker: stays as it is
        frames: the video
        prompts: as for ``track``; those that the tracking does not use are not looked at
        seconds: how long to learn, see :func:`check_seconds`; 0 gives the tracker itself
        direction: as for ``track``
        prompt_frames: as for ``track``
        steps: learn so many steps at most: then the result depends on nothing else, if ``seconds`` suffice

    Raises:
        HS2SError: as ``track``, and if the learning fails
    """
    if not check_seconds(seconds):
        return tracker
    from fiftyone_hs2s.training.adapt import adapt

    plan = plan_prompts(frames, prompts, direction, prompt_frames)
    count = len({i for ids in plan.anchors.values() for i in ids})
    pictures = _read_pictures(frames, plan, tracker.size_for(frames.size))
    if not pictures:  # the video ends before them, as the tracking will say
        return tracker
    logger.info("Adapting to %d object%s, %g s", count, "s" if count > 1 else "", seconds)
    size, precision = tracker.size_for(frames.size), tracker.precision
    return tracker.with_network(adapt(tracker.network, pictures, seconds, size, precision, steps))


def check_seconds(seconds: float) -> float:
    """Returns the time to adapt for.

    Raises:
        HS2SError: if it is no number from 0
    """
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < math.inf:
        raise HS2SError(f"The time to adapt for is a number of seconds from 0, not {seconds!r}.")
    return float(seconds)


def _read_pictures(frames: Frames, plan: PromptPlan, size: tuple[int, int]) -> list[Picture]:
    """The frames with masks, spread evenly where there are many, at no more than twice the network's size."""
    indices = sorted(plan.anchors)
    places = np.linspace(0, len(indices) - 1, min(MOST_PICTURES, len(indices))).round().astype(int)
    wanted = {indices[place] for place in places}
    first = min(wanted)
    pictures = []
    for index, frame in enumerate(frames[first : max(wanted) + 1], first):
        if index in wanted:
            pictures.append(_picture(frame, plan.masks(index), size))
    return pictures


def _picture(frame: np.ndarray, masks: dict[int, np.ndarray], size: tuple[int, int]) -> Picture:
    fitted = {
        number: fit_mask(np.asarray(mask), frame.shape[:2], f"mask of object {i}").astype(bool)
        for number, (i, mask) in enumerate(list(masks.items())[:254], 1)
    }
    labels = np.zeros(frame.shape[:2], np.uint8)
    draw_masks(labels, fitted)
    factor = 2 * max(size[0] / frame.shape[0], size[1] / frame.shape[1])
    if factor >= 1:
        return frame, labels
    shape = round(frame.shape[1] * factor), round(frame.shape[0] * factor)
    return cv2.resize(frame, shape, interpolation=cv2.INTER_AREA), cv2.resize(
        labels, shape, interpolation=cv2.INTER_NEAREST
    )
