"""``hs2s track``: masks, boxes or points on one or a few frames in, masks on all frames out."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from fiftyone_hs2s.choices import SCENE_CUTS
from fiftyone_hs2s.cli.evaluate_command import positive
from fiftyone_hs2s.cli.network_arguments import add_network_arguments, make_tracker
from fiftyone_hs2s.cli.output import write_json
from fiftyone_hs2s.cli.prompt_arguments import add_prompt_arguments, check_prompt_arguments
from fiftyone_hs2s.cli.track_data_set import track_data_set
from fiftyone_hs2s.cli.track_video import track_video
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.mask_files.layouts import IMAGES, find_part
from fiftyone_hs2s.progress import reporting

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
    parser.add_argument(
        "--workers",
        type=positive,
        metavar="N",
        help="processes that share the sequences of a data set (default 1)",
    )
    parser.add_argument(
        "--batch-videos",
        type=positive,
        metavar="N",
        help="sequences of a data set whose frames go through the network as one batch, in each process"
        " (default 1)",
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
    if images := find_part(args.video, IMAGES):
        return track_data_set(args, images)
    check_prompt_arguments(args)
    for name in ("split", "workers", "batch_videos"):
        if getattr(args, name) is not None:
            raise HS2SError(f"--{name.replace('_', '-')} is for a data set: this is one video.")
    with reporting() as report:
        done = track_video(args, partial(make_tracker, args), report)
    print(done.printed)
    if args.json:
        write_json(args.json, done.report)
    if done.incomplete:
        raise HS2SError(done.incomplete)
    return 0
