"""``hs2s evaluate``: J and F of folders of label maps."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from fiftyone_hs2s.cli.output import (
    check_outputs,
    print_problems,
    write_csv,
    write_json,
)
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.files import read_text
from fiftyone_hs2s.mask_files.layouts import list_sequences
from fiftyone_hs2s.mask_files.meta import read_meta
from fiftyone_hs2s.metrics import PROTOCOLS, evaluate_folders
from fiftyone_hs2s.metrics.first_frame_match import MATCHES

DESCRIPTION = """\
Scores predicted masks against true ones: region similarity J, boundary accuracy F and their mean.

Both folders hold, for each sequence, a folder of PNG label maps (0 background, 1, 2, ... the objects), as
DAVIS and YouTube-VOS do, or a folder of PNG masks for each object, as SA-V does; either may be a single
sequence, or the root of a data set, with Annotations in it. Frames belong together by file name, objects by
id.

protocols:
  davis2017    objects of the first frame; all frames but the first and the last (default)
  davis2016    all objects taken as one; all frames but the first and the last
  youtube-vos  all objects, each from the frame after its first; with a meta.json each on the frames that this
  lists;
               with --seen also apart for the classes that were seen in training and those that were not
  all          all objects and frames
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds ``evaluate`` to the commands of ``hs2s``."""
    parser = subparsers.add_parser(
        "evaluate",
        help="score folders of masks: J, F, J&F",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_folder_arguments(parser)
    parser.add_argument("--protocol", default="davis2017", help=f"one of {', '.join(PROTOCOLS)}")
    parser.add_argument(
        "--match",
        default="identity",
        choices=MATCHES,
        help=(
            "identity: objects have the ids of the true ones; first_frame: ids mean nothing, and each true"
            " object is matched with the one that overlaps it most on its first frame"
        ),
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers to this JSON file")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write a table of the objects")
    parser.add_argument(
        "--frames-csv", type=Path, metavar="FILE", help="write a table of the objects' frames"
    )
    parser.add_argument(
        "--meta",
        type=Path,
        metavar="FILE",
        help=(
            "meta.json of YouTube-VOS: classes and frames of the objects; by default the one beside the true"
            " masks"
        ),
    )
    parser.add_argument(
        "--seen", type=Path, metavar="FILE", help="text file: the classes seen in training, one per line"
    )
    parser.set_defaults(func=run)


def add_folder_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that commands on two folders share."""
    parser.add_argument("--gt", type=Path, required=True, metavar="FOLDER", help="true masks")
    parser.add_argument("--pred", type=Path, required=True, metavar="FOLDER", help="predicted masks")
    parser.add_argument(
        "--split",
        metavar="NAME",
        help="score these sequences: a list in the data set's ImageSets, or a text file",
    )
    parser.add_argument(
        "--void",
        type=positive,
        metavar="N",
        help="value of pixels to ignore in 16-bit masks (KITTI MOTS: 10000)",
    )
    parser.add_argument(
        "--workers", type=positive, default=os.cpu_count(), metavar="N", help="processes (all cores)"
    )


def positive(text: str) -> int:
    """An argument that is a whole number from 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive whole number")
    return int(text)


def run(args: argparse.Namespace) -> int:
    """Runs the command.

    Returns:
        the exit status, 0

    Raises:
        HS2SError: if the input is wrong, or a file cannot be written
    """
    check_outputs(args.json, args.csv, args.frames_csv)
    meta = _read_meta(args)
    seen = {line.strip() for line in read_text(args.seen).splitlines() if line.strip()} if args.seen else None
    evaluation = evaluate_folders(
        args.pred,
        args.gt,
        args.protocol,
        **meta,
        seen=seen,
        match=args.match,
        void=args.void,
        split=args.split,
        num_workers=args.workers,
    )
    evaluation.print()  # first: a file may fail to be written
    print_problems(evaluation.problems)
    if args.json:
        write_json(args.json, evaluation.to_dict())
    if args.csv:
        write_csv(args.csv, evaluation.object_rows())
    if args.frames_csv:
        write_csv(args.frames_csv, evaluation.frame_rows())
    return 0


def _read_meta(args: argparse.Namespace) -> dict[str, Any]:
    """Classes and frames of the objects; what is odd about a file that was not asked for costs a warning
    alone."""
    file = args.meta or (_meta_beside(args.gt) if args.protocol == "youtube-vos" else None)
    if file is None:
        return {}
    try:
        meta = read_meta(file)
    except HS2SError as error:
        if args.meta:
            raise
        return _ignore(error)
    if not {*meta.classes, *meta.frames} & list_sequences(args.gt).keys():
        return _ignore(f"{file} says nothing of the sequences in {args.gt}.")
    if not meta.classes:
        print(f"warning: {file} has no categories: no classes.", file=sys.stderr)
    return {"classes": meta.classes or None, "frames": meta.frames}


def _ignore(reason: object) -> dict[str, Any]:
    print(f"warning: not used: {reason}", file=sys.stderr)
    return {}


def _meta_beside(truth: Path) -> Path | None:
    """The ``meta.json`` of the split that true masks belong to, which may be its root or the folder of one
    sequence."""
    real = Path(os.path.realpath(truth))
    folders = [real, *real.parents[: 2 if any(truth.glob("*.png")) else 1]]
    return next((file for folder in folders if (file := folder / "meta.json").is_file()), None)
