"""``hs2s analyze``: how length and occlusion tell on J and F, as in the HS2S paper."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fiftyone_hs2s.cli.evaluate_command import add_folder_arguments
from fiftyone_hs2s.cli.output import (
    check_outputs,
    percent,
    print_problems,
    text_table,
    write_csv,
    write_json,
)
from fiftyone_hs2s.metrics import PROTOCOLS, Analysis, analyze_folders
from fiftyone_hs2s.metrics.analysis import EARLY, LATE, histogram

DESCRIPTION = """\
Shows how predicted masks fare in long sequences and after occlusions, as in tables 3 and 4 of the HS2S paper, and how
long sequences and occlusions are (figures 4 and 5).

Folders are in DAVIS layout, as for 'hs2s evaluate'. Time t is counted in steps of 1/6 s from an object's first frame.
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
        "--fps", type=_rate, default=6.0, metavar="N", help="annotated frames per second: 6 (YouTube-VOS), 24 (DAVIS)"
    )
    parser.add_argument("--protocol", default="youtube-vos", help=f"frames that count: {', '.join(PROTOCOLS)}")
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
    print(report(analysis), flush=True)  # first: a file may fail to be written
    print_problems(problems)
    if args.json:
        write_json(args.json, analysis.to_dict())
    if args.csv:
        write_csv(args.csv, table_rows(analysis))
    return 0


def table_rows(analysis: Analysis) -> Iterator[dict[str, Any]]:
    """Both tables as rows: table, frames, objects, J, F, JF."""
    n, length = analysis.num_objects, analysis.length
    yield _row("occlusion", "all", n, analysis.J, analysis.F, analysis.JF)
    for row in analysis.occlusion:
        frames = f"after the first occlusion, area <= {row.threshold} px"
        yield _row("occlusion", frames, row.num_objects, row.J, row.F, row.JF)
    for name, j, f in (
        (f"early, t < {EARLY}", length.J_early, length.F_early),
        (f"late, t > {LATE}", length.J_late, length.F_late),
    ):
        yield _row("length", name, length.num_objects, j, f, (j + f) / 2)


def _row(table: str, frames: str, objects: int, j: float, f: float, jf: float) -> dict[str, Any]:
    return {"table": table, "frames": frames, "objects": objects, "J": j, "F": f, "JF": jf}


def report(analysis: Analysis) -> str:
    """What the command prints: two tables in percent, and histograms."""
    rows = list(table_rows(analysis))
    header = ("frames", "objects", "J", "F", "J&F")

    def table(name: str) -> str:
        chosen = [row for row in rows if row["table"] == name]
        return text_table([header, *((row["frames"], row["objects"], *_percents(row)) for row in chosen)])

    parts = [
        "Objects of more than 20 steps (table 3)",
        table("length"),
        "Occlusions (table 4)",
        table("occlusion"),
        *(f"note: {note}" for note in analysis.notes()),
        "Length of the objects' sequences in steps (figure 4)",
        bars(analysis.sequence_lengths),
    ]
    for threshold, lengths in analysis.occlusion_lengths.items():
        parts += [f"Length of the first occlusion in steps, area <= {threshold} px (figure 5)", bars(lengths)]
    return "\n\n".join(parts)


def _percents(row: dict[str, Any]) -> list[str]:
    return [percent(row[score]) for score in ("J", "F", "JF")]


def bars(lengths: Sequence[float], width: int = 5, longest: int = 40) -> str:
    """A histogram in text, with bins of ``width`` steps."""
    counts = histogram(lengths)
    bins = [sum(counts[start : start + width]) for start in range(0, len(counts), width)]
    scale = min(1.0, longest / max(bins, default=1))
    lines = [
        f"{k * width:4}-{(k + 1) * width - 1:<4} {'#' * round(scale * count)} {count or ''}".rstrip()
        for k, count in enumerate(bins)
    ]
    return "\n".join(lines) or "  none"
