"""``hs2s evaluate``: J and F of folders of label maps."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fiftyone_hs2s.cli.output import (
    check_outputs,
    percent,
    print_problems,
    sequence_progress,
    text_table,
    write_csv,
    write_json,
)
from fiftyone_hs2s.metrics import PROTOCOLS, Evaluation, evaluate_folders
from fiftyone_hs2s.metrics.folders import read_lines, read_meta

DESCRIPTION = """\
Scores predicted masks against true ones: region similarity J, boundary accuracy F and their mean.

Both folders are in DAVIS layout: a folder of PNG label maps (0 background, 1, 2, ... the objects) for each sequence;
either may be a single sequence. Frames belong together by file name, objects by id.

protocols:
  davis2017    objects of the first frame; all frames but the first and the last (default)
  davis2016    all objects taken as one; all frames but the first and the last
  youtube-vos  all objects, each from the frame after its first; with a meta.json each on the frames that this lists;
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
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers to this JSON file")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write a table of the objects")
    parser.add_argument("--frames-csv", type=Path, metavar="FILE", help="write a table of the objects' frames")
    parser.add_argument(
        "--meta",
        type=Path,
        metavar="FILE",
        help="meta.json of YouTube-VOS: classes and frames of the objects; by default the one beside the true masks",
    )
    parser.add_argument("--seen", type=Path, metavar="FILE", help="text file: the classes seen in training, one a line")
    parser.set_defaults(func=run)


def add_folder_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments that commands on two folders share."""
    parser.add_argument("--gt", type=Path, required=True, metavar="FOLDER", help="true masks")
    parser.add_argument("--pred", type=Path, required=True, metavar="FOLDER", help="predicted masks")
    parser.add_argument("--workers", type=positive, default=os.cpu_count(), metavar="N", help="processes (all cores)")


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
    file = args.meta or (_meta_beside(args.gt) if args.protocol == "youtube-vos" else None)
    meta = read_meta(file)._asdict() if file else {}
    seen = read_lines(args.seen) if args.seen else None
    with sequence_progress() as progress:
        evaluation = evaluate_folders(
            args.gt, args.pred, args.protocol, **meta, seen=seen, workers=args.workers, progress=progress
        )
    print(report(evaluation), flush=True)  # first: a file may fail to be written
    print_problems(evaluation.problems)
    if args.json:
        write_json(args.json, evaluation.to_dict())
    if args.csv:
        write_csv(args.csv, evaluation.object_rows())
    if args.frames_csv:
        write_csv(args.frames_csv, evaluation.frame_rows())
    return 0


def _meta_beside(truth: Path) -> Path | None:
    """The ``meta.json`` of the split that a folder of true masks belongs to; it may be the folder of one sequence."""
    folders = Path(os.path.realpath(truth)).parents[: 2 if any(truth.glob("*.png")) else 1]
    return next((file for folder in folders if (file := folder / "meta.json").is_file()), None)


def report(evaluation: Evaluation) -> str:
    """The table that the command prints: a line per object, and the means; percent."""
    rows: list[Sequence[Any]] = [("sequence", "object", "frames", "J", "F", "J&F", "J recall", "J decay")]
    for result in evaluation.results:
        numbers = (result.J.mean, result.F.mean, result.JF, result.J.recall, result.J.decay)
        rows.append((result.sequence, result.object_id, len(result.frames), *map(percent, numbers)))
    means = (evaluation.J, evaluation.F, evaluation.JF)
    spread = (evaluation.J_statistics.recall, evaluation.J_statistics.decay)
    counts = (len(evaluation.results), sum(len(result.frames) for result in evaluation.results))
    rows.append((f"all, {evaluation.protocol.name}", *counts, *map(percent, (*means, *spread))))
    splits = [f"{name.replace('_', ' ')} {percent(value)}" for name, value in evaluation.splits.items()]
    return "\n".join([text_table(rows, total=True), *([", ".join(splits)] if splits else [])])
