"""``hs2s track``: masks, boxes or points on one or a few frames in, masks on all frames out."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache, partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fiftyone_hs2s.choices import SCENE_CUTS
from fiftyone_hs2s.cli.memory import memory_report, peak_memory
from fiftyone_hs2s.cli.network_arguments import add_network_arguments, make_tracker
from fiftyone_hs2s.cli.output import check_outputs, write_json
from fiftyone_hs2s.cli.prompt_arguments import add_prompt_arguments, check_prompt_arguments, read_prompts
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.mask_files.layouts import IMAGES, find_part, list_label_maps, list_sequences, read_split
from fiftyone_hs2s.masks import read_written
from fiftyone_hs2s.progress import counted, reporting

if TYPE_CHECKING:
    import numpy as np

    from fiftyone_hs2s.tracking import Frames, Steps, Tracker

    Found = dict[str, dict[int, float]]  # {frame name: {object id: confidence}}

DESCRIPTION = """\
Tracks objects through a video, from their masks on one frame or a few, or from boxes or points on one frame.

A mask is an indexed PNG: 0 is background, 1, 2, ... are the objects. One PNG belongs to the first frame; the
PNGs of a folder belong to the frames they are named after (the frames of a video file are named 00000, 00001,
...).

A box, or points, become a mask by a mask maker. The objects are numbered in the order of the boxes, then of
the points.

The root of a data set in the layout of DAVIS, YouTube-VOS or SA-V, which holds JPEGImages and Annotations, is
tracked sequence by sequence, each from the masks in Annotations (or in --mask), to a folder of its own in
--out.

Writes one indexed PNG per tracked frame to the folder --out, under the frame's own name and at the video's
size: that is one sequence in DAVIS layout. If the video ends early, what was tracked until there is kept, and
the exit status is 2.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds ``track`` to the commands of ``hs2s``."""
    parser = subparsers.add_parser(
        "track",
        help="track objects through a video, from masks, boxes or points",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "video", type=Path, metavar="VIDEO_OR_FOLDER", help="video file, folder of images, or data set"
    )
    parser.add_argument(
        "--split",
        metavar="NAME",
        help="sequences of a data set: a list in its ImageSets such as val, or a text file",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where to write the masks")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace the masks of an earlier run in --out"
    )
    parser.add_argument(
        "--direction", choices=("forward", "backward", "both"), default="forward", help="default forward"
    )
    parser.add_argument(
        "--prompt-frames",
        choices=("first", "all"),
        default="first",
        help="start each object from its first mask (default), or anchor it again at each of its masks",
    )
    parser.add_argument(
        "--scene-cuts",
        choices=SCENE_CUTS,
        default=SCENE_CUTS[0],
        help="where another scene begins: track on (ignore), end the tracks until the next mask of an object"
        f" (stop), or look for each object anew from its last mask (restart); default {SCENE_CUTS[0]}",
    )
    parser.add_argument(
        "--overlay", type=Path, metavar="FILE.mp4", help="write a video of the masks over the frames"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write confidences and figures to this JSON file"
    )
    add_prompt_arguments(parser)
    add_network_arguments(parser)
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Runs the command.

    Returns:
        the exit status: 0, or 2 if a video ended early

    Raises:
        HS2SError: if the input is wrong, or something cannot be written
    """
    tracker = cache(partial(make_tracker, args))
    if images := find_part(args.video, IMAGES):
        return _track_data_set(args, images, tracker)
    check_prompt_arguments(args)
    if args.split:
        raise HS2SError("--split is for a data set: a video has none.")
    report = _track_video(args, tracker)
    if args.json:
        write_json(args.json, report)
    if report["incomplete"]:
        raise HS2SError(_kept(report, args.out))
    return 0


def _track_data_set(args: argparse.Namespace, images: Path, tracker: Callable[[], Tracker]) -> int:
    """Tracks the sequences one by one; one that cannot be tracked is named, and the others are tracked all
    the same."""
    if args.overlay:
        raise HS2SError("--overlay is for one video: give one sequence of the data set.")
    if args.box or args.points:
        raise HS2SError("--box and --points are for one video: give one sequence of the data set.")
    masks = list_sequences(args.mask or args.video)
    names = read_split(args.video, args.split) if args.split else list(masks)
    reports, failed = {}, []
    for name in names:
        given = {"video": images / name, "mask": masks.get(name), "out": args.out / name, "json": None}
        try:
            if given["mask"] is None:
                raise HS2SError(f"There are no masks of it in {args.mask or args.video}.")
            reports[name] = _track_video(argparse.Namespace(**{**vars(args), **given}), tracker)
            if reports[name]["incomplete"]:
                raise HS2SError(_kept(reports[name], args.out / name))
        except HS2SError as error:
            print(f"{name}: {error}", file=sys.stderr)
            failed.append(name)
    if args.json:
        write_json(args.json, {"sequences": reports})
    if failed:
        raise HS2SError(
            f"{len(failed)} of {len(names)} sequences were not tracked to their end: {', '.join(failed)}."
        )
    return 0


def _kept(report: dict[str, Any], out: Path) -> str:
    return f"{report['incomplete']} What was tracked until there is kept in {out}."


def _track_video(args: argparse.Namespace, make_tracker: Callable[[], Tracker]) -> dict[str, Any]:
    """Tracks one video, and gives the report that ``--json`` writes."""
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
    start = time.perf_counter()
    with reporting() as report:
        steps = Steps(frames, plan, report)
        found = track_to_folder(tracker, frames, plan, args.out, steps, args.overwrite, steps.cut)
    seconds = (time.perf_counter() - start) / len(found)
    print(
        f"{len(found)} frames, {seconds:.3f} seconds per frame, peak memory {memory_report()}; masks in"
        f" {args.out}"
    )
    if steps.cuts:
        names = ", ".join(frames.name(index) for index in sorted(steps.cuts))
        print(f"scene cuts before the frames {names}")
    if given.made:
        print(f"{len(given.made)} masks made by {args.mask_maker}, on frame {frames.name(plan.first)}")
    if args.overlay:
        label_maps = _label_maps(frames, found, args.out)
        with reporting() as report:
            shown = counted(frames, len(frames), report, "frame")
            write_overlay(args.overlay, shown, label_maps, frames.fps or 25)
        print(f"overlay: {args.overlay}")
    return {**_report(args, frames, tracker, steps, found, seconds), "made_masks": given.made}


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
