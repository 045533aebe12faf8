"""From masks on some frames to label maps on all frames of a video, forward, backward or both ways."""

from __future__ import annotations

import json
import tempfile
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from fiftyone_hs2s.choices import DIRECTIONS, PROMPT_MODES
from fiftyone_hs2s.errors import HS2SError, MaskError, VideoError
from fiftyone_hs2s.files import write_text
from fiftyone_hs2s.masks import label_dtype, read_written, write_label_map
from fiftyone_hs2s.progress import Progress, Report
from fiftyone_hs2s.tracking.frames import Frames
from fiftyone_hs2s.tracking.result import TrackedFrame
from fiftyone_hs2s.tracking.tracker import Tracker

Prompts = Mapping[int, Mapping[int, np.ndarray]]
"""{frame index (0-based): {object id: bool mask (H, W)}}; may be one that reads the masks of a frame when asked."""

_Plan = dict[int, list[int]]
"""{frame index: ids of the objects to anchor on it}: all that is held of the prompts throughout."""


def track(
    tracker: Tracker,
    frames: Frames,
    prompts: Prompts,
    direction: str = "forward",
    prompts_mode: str = "first",
    on_step: Callable[[], object] = lambda: None,
) -> Iterator[tuple[int, TrackedFrame]]:
    """Tracks objects through a video.

    "forward" goes from the first prompted frame to the end; "backward" from the last prompted one to the start; "both"
    gives all frames in order: each object is tracked forward from its first prompt, and backward from there to the
    start. Where two objects meet of which one comes from each pass, the forward one is on top.

    Memory does not grow with the video. For "both" the backward pass runs first, and its label maps wait in a temporary
    folder; objects from it have their mask (0 or 1) as probability.

    A video that cannot be read to its end ends the iteration early; :class:`Steps` says why.

    Args:
        tracker: it is reset first
        frames: the video
        prompts: masks by frame index and object id. An empty mask is none
        direction: "forward", "backward" or "both"
        prompts_mode: "first" takes each object's first prompt in the direction of travel; "all" anchors it again at
            each of its prompts
        on_step: called after each frame of each pass, see :class:`Steps`

    Yields:
        frame index (0-based), and what was found there; each frame once. On a prompted frame the mask given is the
        result

    Raises:
        MaskError: if there is no mask to start from, or one does not fit its frame
        VideoError: if a prompt lies beyond the end of the video
        HS2SError: if an argument is unknown
    """
    plan = choose_prompts(frames, prompts, direction, prompts_mode)
    if direction == "both":
        yield from _track_both(tracker, frames, prompts, plan, on_step)
    else:
        yield from _track_one_way(tracker, frames, prompts, plan, direction == "backward", on_step)


def choose_prompts(
    frames: Frames, prompts: Prompts, direction: str = "forward", prompts_mode: str = "first"
) -> dict[int, list[int]]:
    """The prompts that :func:`track` uses, of which it documents arguments and errors.

    Returns:
        {frame index: ids of the objects to anchor on it}
    """
    _check_choice("direction", direction, DIRECTIONS)
    _check_choice("prompts mode", prompts_mode, PROMPT_MODES)
    every = _plan(prompts, frames)
    return every if prompts_mode == "all" else _first_only(every, direction == "backward")


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
        super().__init__(f"There is a mask for frame {index + first_number}{counted}, which cannot be read. {reason}")

    def numbered_from(self, first_number: int) -> MissingFrameError:
        """The same, in other frame numbers."""
        return MissingFrameError(self.index, self.reason, first_number)


class Steps:
    """Counts the frames that :func:`track` works on, as its ``on_step``.

    Args:
        frames: the video
        prompts: as for :func:`track`
        direction: as for :func:`track`
        report: told of each frame that is done

    Attributes:
        done: how many frames of all passes are done
        total: how many there will be, as exact as the length of the video was known beforehand
    """

    def __init__(
        self,
        frames: Frames,
        prompts: Prompts,
        direction: str = "forward",
        report: Report = lambda progress: None,
    ) -> None:
        plan = _visible(prompts)
        self.done, self.total = 0, _count_steps(frames, plan, direction)
        self._report = report
        self._needed = frames[: max(plan) + 1] if plan and direction == "backward" else frames

    def __call__(self) -> None:
        self.done += 1
        self._report(Progress(self.done, max(self.done, self.total), "frame"))

    @property
    def incomplete(self) -> str | None:
        """Why frames that were needed are missing or wrong, in a sentence; None if there are no such frames."""
        return self._needed.incomplete


def _count_steps(frames: Frames, plan: _Plan, direction: str) -> int:
    if not plan:
        return 0
    forward, backward = len(frames) - min(plan), max(plan) + 1
    if direction == "both":
        last = max(_first_only(plan, backward=False))
        return forward + (last + 1 if last else 0)
    return backward if direction == "backward" else forward


def _track_one_way(
    tracker: Tracker, frames: Frames, prompts: Prompts, plan: _Plan, backward: bool, on_step: Callable[[], object]
) -> Iterator[tuple[int, TrackedFrame]]:
    tracker.reset()
    start = max(plan) if backward else min(plan)
    view = frames[: start + 1].reversed() if backward else frames[start:]
    if backward and len(view) <= start:
        raise _missing(start, frames)
    index = start
    for frame in view:
        masks = prompts[index] if index in plan else {}
        tracked = tracker.step(frame, {i: masks[i] for i in plan.get(index, ())})
        on_step()
        yield index, tracked
        index += -1 if backward else 1
    last = start if backward else max(plan)
    if index == start or (index <= last and not backward and not frames.incomplete):
        raise _missing(last, frames)


def _track_both(
    tracker: Tracker, frames: Frames, prompts: Prompts, plan: _Plan, on_step: Callable[[], object]
) -> Iterator[tuple[int, TrackedFrame]]:
    first = _first_only(plan, backward=False)
    since = {object_id: index for index, ids in first.items() for object_id in ids}
    with tempfile.TemporaryDirectory(prefix="hs2s-") as folder:
        spool = _Spool(Path(folder))
        if later := {index: ids for index, ids in first.items() if index > 0}:
            for index, tracked in _track_one_way(tracker, frames, prompts, later, True, on_step):
                spool.write(index, tracked, [i for i in tracked.confidence if since[i] > index])
        yield from ((index, spool.read(index)) for index in range(min(first)) if spool.has(index))
        for index, tracked in _track_one_way(tracker, frames, prompts, plan, False, on_step):
            yield index, _merge(tracked, spool.read(index)) if spool.has(index) else tracked


class _Spool:
    """What the backward pass found, on disk until the forward pass comes by.

    Args:
        folder: an empty one
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, index: int, tracked: TrackedFrame, ids: list[int]) -> None:
        """Keeps some of the objects of a frame."""
        if not ids:
            return
        label_map = np.where(np.isin(tracked.label_map, ids), tracked.label_map, 0).astype(label_dtype(ids))
        write_label_map(self._folder / f"{index}.png", label_map)
        confidence = {str(i): tracked.confidence[i] for i in ids}
        write_text(self._folder / f"{index}.json", json.dumps(confidence))

    def has(self, index: int) -> bool:
        """Whether any object was kept on this frame."""
        return (self._folder / f"{index}.json").exists()

    def read(self, index: int) -> TrackedFrame:
        """What was kept of a frame."""
        label_map = read_written(self._folder / f"{index}.png")
        confidence = json.loads((self._folder / f"{index}.json").read_text())
        ids = [int(object_id) for object_id in confidence]
        return TrackedFrame(label_map, dict(zip(ids, confidence.values(), strict=True)), _FromLabels(label_map, ids))


class _FromLabels(Mapping[int, np.ndarray]):
    """Probabilities of which only the label map is left."""

    def __init__(self, label_map: np.ndarray, ids: list[int]) -> None:
        self._label_map, self._ids = label_map, ids

    def __getitem__(self, object_id: int) -> np.ndarray:
        if object_id not in self._ids:
            raise KeyError(object_id)
        return (self._label_map == object_id).astype(np.float32)

    def __iter__(self) -> Iterator[int]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)


def _merge(top: TrackedFrame, bottom: TrackedFrame) -> TrackedFrame:
    label_map = np.where(top.label_map == 0, bottom.label_map, top.label_map)
    confidence = dict(sorted({**bottom.confidence, **top.confidence}.items()))
    both: Mapping[int, np.ndarray] = ChainMap(top.probabilities, bottom.probabilities)  # type: ignore[arg-type]
    return TrackedFrame(label_map, confidence, both)


def _plan(prompts: Prompts, frames: Frames) -> _Plan:
    """Where there are masks, all within the video."""
    plan = _visible(prompts)
    if not plan:
        raise MaskError("None of the masks has a pixel: give a mask on which an object is visible.")
    if max(plan) >= len(frames):
        frames.verify_length()
    if max(plan) >= len(frames):
        raise _missing(max(plan), frames)
    return plan


def _visible(prompts: Prompts) -> _Plan:
    """Looks at all prompts, one frame at a time, for masks with pixels."""
    visible = {index: [i for i, mask in prompts[index].items() if np.any(mask)] for index in sorted(prompts)}
    return {index: ids for index, ids in visible.items() if ids}


def _first_only(plan: _Plan, backward: bool) -> _Plan:
    """Of each object only the prompt that comes first in the direction of travel."""
    seen: set[int] = set()
    chosen = {}
    for index in sorted(plan, reverse=backward):
        if new := [i for i in plan[index] if i not in seen]:
            seen.update(new)
            chosen[index] = new
    return chosen


def _missing(index: int, frames: Frames) -> MissingFrameError:
    return MissingFrameError(index, frames.incomplete or f"The video has {len(frames)} frames.")


def _check_choice(what: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise HS2SError(f'There is no {what} "{value}": take one of {", ".join(choices)}.')
