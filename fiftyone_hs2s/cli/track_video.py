"""What ``hs2s track`` does with one video."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fiftyone_hs2s.cli.memory import memory_report, peak_memory
from fiftyone_hs2s.cli.output import check_outputs
from fiftyone_hs2s.cli.prompt_arguments import read_prompts
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.mask_files.layouts import list_label_maps
from fiftyone_hs2s.masks import read_written
from fiftyone_hs2s.progress import Report, counted

if TYPE_CHECKING:
    import numpy as np

    from fiftyone_hs2s.tracking import Frames, Steps, Tracker

    Found = dict[str, dict[int, float]]  # {frame name: {object id: confidence}}


@dataclass(frozen=True)
class TrackedVideo:
    """What came of a video.

    Attributes:
        report: what ``--json`` writes
        printed: what is printed, in lines
        incomplete: what is said of a video that ended early; empty for others
    """

    report: dict[str, Any]
    printed: str
    incomplete: str


def track_video(args: argparse.Namespace, make_tracker: Callable[[], Tracker], show: Report) -> TrackedVideo:
    """Tracks one video.

    Args:
        args: the command's arguments
        make_tracker: gives the tracker, once the input is known to be right
        show: is told of each frame
    """
    from fiftyone_hs2s.adaptation import adapted_tracker
    from fiftyone_hs2s.files import prepare_folder
    from fiftyone_hs2s.overlay import write_overlay
    from fiftyone_hs2s.tracking import Steps, open_frames, plan_prompts
    from fiftyone_hs2s.tracking.folders import track_to_folder

    frames = open_frames(args.video)
    given = read_prompts(args, frames)
    _keep_inputs(args, given.files)
    prepare_folder(args.out)
    check_outputs(args.json, args.overlay)
    plan = plan_prompts(frames, given.prompts, args.direction, args.prompt_frames, args.scene_cuts)
    tracker = adapted_tracker(make_tracker(), frames, plan, args.adapt)
    tracker.prepare(frames.size)
    start = time.perf_counter()
    steps = Steps(frames, plan, show)
    found = track_to_folder(tracker, frames, plan, args.out, steps, args.overwrite, steps.cut)
    seconds = (time.perf_counter() - start) / len(found)
    lines = [
        f"{len(found)} frames, {seconds:.3f} seconds per frame, peak memory {memory_report()}; masks in"
        f" {args.out}"
    ]
    if steps.cuts:
        names = ", ".join(frames.name(index) for index in sorted(steps.cuts))
        lines.append(f"scene cuts before the frames {names}")
    if given.made:
        maker = next(iter(given.made.values()))["mask_maker"]
        lines.append(f"{len(given.made)} masks made by {maker}, on frame {frames.name(plan.first)}")
    if args.overlay:
        label_maps = _label_maps(frames, found, args.out)
        write_overlay(args.overlay, counted(frames, len(frames), show, "frame"), label_maps, frames.fps or 25)
        lines.append(f"overlay: {args.overlay}")
    report = {**_report(args, frames, tracker, steps, found, seconds), "made_masks": given.made}
    kept = f"{steps.incomplete} What was tracked until there is kept in {args.out}."
    return TrackedVideo(report, "\n".join(lines), kept if steps.incomplete else "")


def _label_maps(frames: Frames, found: Found, folder: Path) -> Iterator[np.ndarray | None]:
    """The label map of each frame that was tracked, None for the others."""
    for index in count():
        name = frames.name(index)
        yield read_written(folder / f"{name}.png") if name in found else None


def _report(
    args: argparse.Namespace, frames: Frames, tracker: Tracker, steps: Steps, found: Found, seconds: float
) -> dict[str, Any]:
    return {
        "video": str(args.video),
        "model": args.model,
        "network_size": list(tracker.size),
        "device": str(tracker.device),
        "precision": str(tracker.precision).removeprefix("torch."),
        "runtime": tracker.runtime,
        "average": args.average,
        "adapted_seconds": args.adapt,
        "direction": args.direction,
        "scene_cuts": [frames.name(index) for index in sorted(steps.cuts)],
        "seconds_per_frame": seconds,
        "peak_memory_bytes": peak_memory(),
        "incomplete": steps.incomplete,
        "confidence": found,
    }


def _keep_inputs(args: argparse.Namespace, files: list[Path]) -> None:
    """Keeps the user's own files from being overwritten, and the masks of two runs apart."""
    masks = [_real(file) for file in files]
    if _real(args.out) in {_real(args.video), *(file.parent for file in masks)}:
        raise HS2SError(f"--out {args.out} is also read from: give another folder.")
    inputs = {_real(given) for given in (args.video, args.weights, *masks) if given}
    for output in (args.overlay, args.json):
        if output and _real(output) in inputs:
            raise HS2SError(f"{output} is also read from: give another file.")
    if not args.overwrite and args.out.is_dir() and list_label_maps(args.out):
        raise HS2SError(
            f"--out {args.out} holds masks already: give another folder, or --overwrite to replace them."
        )


def _real(path: Path) -> Path:
    """The path without links; resolve() would fail on links that go round in a loop, in its own way."""
    return Path(os.path.realpath(path))
