"""``hs2s analyze``: how length and occlusion tell on J and F, as in the HS2S paper."""

from __future__ import annotations

import argparse
from pathlib import Path

from fiftyone_hs2s.cli.evaluate_command import add_folder_arguments
from fiftyone_hs2s.cli.output import (
    check_outputs,
    print_problems,
    write_csv,
    write_json,
)
from fiftyone_hs2s.metrics import PROTOCOLS, analyze_folders

DESCRIPTION = """\
Shows how predicted masks fare in long sequences and after occlusions, as in tables 3 and 4 of the HS2S paper,
and how long sequences and occlusions are (figures 4 and 5).

Folders are in DAVIS layout, as for 'hs2s evaluate'. Time t is counted in steps of 1/6 s from an object's
first frame.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds ``analyze`` to the commands of ``hs2s``."""
    parser = subparsers.add_parser(
        "analyze",
        help="scores early and late, and after occlusions",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_folder_arguments(parser)
    parser.add_argument(
        "--fps",
        type=_rate,
        default=6.0,
        metavar="N",
        help="annotated frames per second: 6 (YouTube-VOS), 24 (DAVIS)",
    )
    parser.add_argument(
        "--protocol", default="youtube-vos", help=f"frames that count: {', '.join(PROTOCOLS)}"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers to this JSON file")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write the tables")
    parser.set_defaults(func=run)


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0
    if not 0 < rate < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return rate


def run(args: argparse.Namespace) -> int:
    """Runs the command.

    Returns:
        the exit status, 0

    Raises:
        HS2SError: if the input is wrong, or a file cannot be written
    """
    check_outputs(args.json, args.csv)
    analysis, problems = analyze_folders(
        args.pred,
        args.gt,
        args.fps,
        args.protocol,
        void=args.void,
        split=args.split,
        num_workers=args.workers,
    )
    analysis.print()  # first: a file may fail to be written
    print_problems(problems)
    if args.json:
        write_json(args.json, analysis.to_dict())
    if args.csv:
        write_csv(args.csv, analysis.rows())
    return 0
