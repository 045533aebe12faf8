"""From masks on some frames to label maps on all frames of a video, forward, backward or both ways."""

from __future__ import annotations

import json
import tempfile
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from fiftyone_hs2s.files import write_text
from fiftyone_hs2s.masks import label_dtype, read_written, write_label_map
from fiftyone_hs2s.progress import Progress, Report
from fiftyone_hs2s.tracking.frames import Frames
from fiftyone_hs2s.tracking.prefetch import prefetch
from fiftyone_hs2s.tracking.prompt_plan import MasksByFrame, PromptPlan, Prompts, missing_frame, plan_prompts
from fiftyone_hs2s.tracking.result import TrackedFrame
from fiftyone_hs2s.tracking.scene_tracker import SceneTracker
from fiftyone_hs2s.tracking.tracker import Tracker


def track(
    tracker: Tracker,
    frames: Frames,
    prompts: Prompts | MasksByFrame | PromptPlan,
    direction: str = "forward",
    prompt_frames: str = "first",
    on_step: Callable[[], object] = lambda: None,
    scene_cuts: str = "ignore",
    on_cut: Callable[[int], object] = lambda index: None,
) -> Iterator[tuple[int, TrackedFrame]]:
    """Tracks objects through a video.

    "forward" goes from the first prompted frame to the end; "backward" from the last prompted one to the
    start; "both" gives all frames in order: each object is tracked forward from its first prompt, and
    backward from there to the start. Where two objects meet of which one comes from each pass, the forward
    one is on top.

    Memory does not grow with the video. For "both" the backward pass runs first, and its label maps wait in a
    temporary folder; objects from it have their mask (0 or 1) as probability.

    A video that ends early stops the iteration; :class:`Steps` tells.

    Args:
        tracker: it is reset first
        frames: the video
        prompts: masks by frame index and object id, of which an empty one is none; or something that reads
            them when asked; or a plan of :func:`plan_prompts`, with direction and frames chosen already
        direction: "forward", "backward" or "both"
        prompt_frames: "first" takes each object's first prompt in the direction of travel; "all" anchors it
            again at each of its prompts
        on_step: called after each frame of each pass, see :class:`Steps`
        scene_cuts: what becomes of tracks where another scene begins: "ignore" tracks on; "stop" ends them
            there, until the object has another mask; "restart" forgets the scene, and looks for each object
            anew from its last mask
        on_cut: called with the index of each frame that begins a scene, once in each pass

    Yields:
        frame index (0-based), and what was found there; each frame once. On a prompted frame the mask given
        is the result

    Raises:
        MaskError: if there is no mask to start from, or one does not fit its frame
        VideoError: if a prompt lies beyond the end of the video
        HS2SError: if an argument is unknown
    """
    plan = plan_prompts(frames, prompts, direction, prompt_frames, scene_cuts)
    way = _track_both if plan.direction == "both" else _track_one_way
    yield from way(tracker, frames, plan, on_step, on_cut)


class Steps:
    """Counts the frames that :func:`track` works on, as its ``on_step``.

    Args:
        frames: the video
        plan: what :func:`track` is given
        report: told of each frame that is done

    Attributes:
        done: how many frames of all passes are done
        total: how many there will be, as exact as the length of the video was known beforehand
        cuts: indices of the frames with which a scene begins
    """

    def __init__(self, frames: Frames, plan: PromptPlan, report: Report = lambda progress: None) -> None:
        self.done, self.total = 0, _count_steps(frames, plan)
        self.cuts: set[int] = set()
        self._report = report
        self._needed = frames[: plan.last + 1] if plan.direction == "backward" else frames

    def cut(self, index: int) -> None:
        """Notes where a scene begins: the ``on_cut`` of :func:`track`."""
        self.cuts.add(index)

    def __call__(self) -> None:
        self.done += 1
        self._report(Progress(self.done, max(self.done, self.total), "frame"))

    @property
    def incomplete(self) -> str | None:
        """Why frames that were needed are missing or wrong, in a sentence; None if there are no such
        frames."""
        return self._needed.incomplete


def _count_steps(frames: Frames, plan: PromptPlan) -> int:
    if plan.direction == "backward":
        return plan.last + 1
    back = max(plan.starts()) if plan.direction == "both" else 0
    return len(frames) - plan.first + (back + 1 if back else 0)


def _track_one_way(
    tracker: Tracker,
    frames: Frames,
    plan: PromptPlan,
    on_step: Callable[[], object],
    on_cut: Callable[[int], object],
) -> Iterator[tuple[int, TrackedFrame]]:
    backward = plan.direction == "backward"
    start = plan.last if backward else plan.first
    at = (lambda shown: on_cut(start - shown + 1)) if backward else (lambda shown: on_cut(start + shown))
    scenes = SceneTracker(tracker, plan.scene_cuts, at)
    view = frames[: start + 1].reversed() if backward else frames[start:]
    if backward and len(view) <= start:
        raise missing_frame(start, frames)
    index = start
    for frame in prefetch(map(scenes.see, view), 2):
        tracked = scenes.step(frame, plan.masks(index))
        on_step()
        yield index, tracked
        index += -1 if backward else 1
    last = start if backward else plan.last
    if index == start or (index <= last and not backward and not frames.incomplete):
        raise missing_frame(last, frames)


def _track_both(
    tracker: Tracker,
    frames: Frames,
    plan: PromptPlan,
    on_step: Callable[[], object],
    on_cut: Callable[[int], object],
) -> Iterator[tuple[int, TrackedFrame]]:
    first = plan.starts()
    backward, forward = plan.both_ways()
    since = {object_id: index for index, ids in first.items() for object_id in ids}
    with tempfile.TemporaryDirectory(prefix="hs2s-") as folder:
        spool = _Spool(Path(folder))
        if backward.anchors:
            for index, tracked in _track_one_way(tracker, frames, backward, on_step, on_cut):
                spool.write(index, tracked, [i for i in tracked.confidence if since[i] > index])
        yield from ((index, spool.read(index)) for index in range(min(first)) if spool.has(index))
        for index, tracked in _track_one_way(tracker, frames, forward, on_step, on_cut):
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
        return TrackedFrame(
            label_map, dict(zip(ids, confidence.values(), strict=True)), _FromLabels(label_map, ids)
        )


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
