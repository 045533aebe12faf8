"""``hs2s track``: masks on one or a few frames in, masks on all frames out."""

from __future__ import annotations

import argparse
import os
import re
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from fiftyone_hs2s.cli.memory import memory_report, peak_memory
from fiftyone_hs2s.cli.output import check_outputs, write_json
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.masks import list_label_maps, read_label_map

if TYPE_CHECKING:
    import numpy as np

    from fiftyone_hs2s.tracking import Frames, Steps, Tracker

    Found = dict[str, dict[int, float]]  # {frame name: {object id: confidence}}

DESCRIPTION = """\
Tracks objects through a video, from their masks on one frame or a few.

A mask is an indexed PNG: 0 is background, 1, 2, ... are the objects. One PNG belongs to the first frame; the PNGs of a
folder belong to the frames they are named after (the frames of a video file are named 00000, 00001, ...).

Writes one indexed PNG per tracked frame to the folder --out, under the frame's own name and at the video's size: that
is one sequence in DAVIS layout. If the video breaks off, what was tracked until there is kept, and the exit status
is 2.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds ``track`` to the commands of ``hs2s``."""
    parser = subparsers.add_parser(
        "track",
        help="track objects through a video, from a mask",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("video", type=Path, metavar="VIDEO_OR_FRAME_FOLDER", help="video file, or folder of images")
    parser.add_argument("--mask", type=Path, required=True, metavar="PNG_OR_FOLDER", help="where the objects are")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where to write the masks")
    parser.add_argument("--overwrite", action="store_true", help="replace the masks of an earlier run in --out")
    parser.add_argument(
        "--direction", choices=("forward", "backward", "both"), default="forward", help="default forward"
    )
    parser.add_argument(
        "--prompts",
        choices=("first", "all"),
        default="first",
        help="start each object from its first mask (default), or anchor it anew at each of its masks",
    )
    parser.add_argument("--overlay", type=Path, metavar="FILE.mp4", help="write a video of the masks over the frames")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write confidences and figures to this JSON file")
    network = parser.add_argument_group("network")
    network.add_argument("--model", default="hs2s-lite", help="hs2s-lite (default), a preset, or a fine-tuned one")
    network.add_argument("--weights", type=Path, metavar="FILE", help=".safetensors or .pth; default: the shipped ones")
    network.add_argument(
        "--size", type=_size, default=(256, 448), metavar="HxW", help="what the network sees (default 256x448)"
    )
    network.add_argument(
        "--reset-period",
        type=int,
        metavar="N",
        help="start the recurrent state anew every N frames (0: never; default: as the model says)",
    )
    network.add_argument("--device", default="auto", help="auto (CUDA where there is one; default), cpu, cuda, ...")
    network.add_argument(
        "--precision", choices=("auto", "float32", "bfloat16", "float16"), default="auto", help="default auto"
    )
    network.add_argument(
        "--aggregation",
        choices=("soft", "argmax"),
        default="soft",
        help="how objects compete for a pixel: soft (default), or argmax as the released code",
    )
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Runs the command.

    Returns:
        the exit status: 0, or 2 if the video broke off

    Raises:
        HS2SError: if the input is wrong, or something cannot be written
    """
    from fiftyone_hs2s.files import prepare_folder
    from fiftyone_hs2s.network import load_network
    from fiftyone_hs2s.overlay import write_overlay
    from fiftyone_hs2s.tracking import Steps, Tracker, open_frames
    from fiftyone_hs2s.tracking.folders import MaskFiles, track_to_folder

    frames = open_frames(args.video)
    prompts = MaskFiles(args.mask, frames)
    _keep_inputs(args)
    prepare_folder(args.out)
    check_outputs(args.json, args.overlay)
    network = load_network(args.model, args.weights, args.reset_period)
    tracker = Tracker(network, args.size, args.device, args.precision, args.aggregation)
    start = time.perf_counter()
    steps = Steps(frames, prompts, args.direction, lambda _: bar.update())
    with tqdm(total=steps.total, unit="frame", disable=None) as bar:
        found = track_to_folder(tracker, frames, prompts, args.out, args.direction, args.prompts, steps, args.overwrite)
    seconds = (time.perf_counter() - start) / len(found)
    print(f"{len(found)} frames, {seconds:.3f} seconds per frame, peak memory {memory_report()}; masks in {args.out}")
    if args.overlay:
        label_maps = _label_maps(frames, found, args.out)
        write_overlay(args.overlay, tqdm(frames, unit="frame", disable=None), label_maps, frames.fps or 25)
        print(f"overlay: {args.overlay}")
    if args.json:
        write_json(args.json, _report(args, tracker, steps, found, seconds))
    if steps.incomplete:
        raise HS2SError(f"{steps.incomplete} What was tracked until there is kept in {args.out}.")
    return 0


def _label_maps(frames: Frames, found: Found, folder: Path) -> Iterator[np.ndarray | None]:
    """The label map of each frame that was tracked, None for the others."""
    for index in count():
        name = frames.name(index)
        yield read_label_map(folder / f"{name}.png") if name in found else None


def _report(args: argparse.Namespace, tracker: Tracker, steps: Steps, found: Found, seconds: float) -> dict[str, Any]:
    return {
        "video": str(args.video),
        "model": args.model,
        "network_size": list(tracker.size),
        "device": str(tracker.device),
        "precision": str(tracker.precision).removeprefix("torch."),
        "direction": args.direction,
        "seconds_per_frame": seconds,
        "peak_memory_bytes": peak_memory(),
        "incomplete": steps.incomplete,
        "confidence": found,
    }


def _keep_inputs(args: argparse.Namespace) -> None:
    """Keeps the user's own files from being overwritten, and the masks of two runs apart."""
    mask = _real(args.mask)
    masks = [*list_label_maps(mask).values()] if mask.is_dir() else [mask]
    if _real(args.out) in (_real(args.video), masks[0].parent):
        raise HS2SError(f"--out {args.out} is also read from: give another folder.")
    inputs = {_real(given) for given in (args.video, args.weights, *masks) if given}
    for output in (args.overlay, args.json):
        if output and _real(output) in inputs:
            raise HS2SError(f"{output} is also read from: give another file.")
    if not args.overwrite and args.out.is_dir() and list_label_maps(args.out):
        raise HS2SError(f"--out {args.out} holds masks already: give another folder, or --overwrite to replace them.")


def _real(path: Path) -> Path:
    """The path without links; resolve() would fail on links that go round in a loop, in its own way."""
    return Path(os.path.realpath(path))


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not height x width, such as 256x448")
    return int(match[1]), int(match[2])
