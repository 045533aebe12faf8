"""``hs2s benchmark``: a whole data set tracked, scored, and zipped for its server."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from fiftyone_hs2s.benchmark.benchmark_data import BENCHMARKS
from fiftyone_hs2s.cli.evaluate_command import positive
from fiftyone_hs2s.cli.network_arguments import add_network_arguments, make_tracker
from fiftyone_hs2s.errors import HS2SError

DESCRIPTION = """\
Tracks every sequence of a benchmark, each object from its first mask, and scores what has truth by that
benchmark's rules: DAVIS 2016 and 2017, YouTube-VOS (seen and unseen classes), MOSE, LVOS, SA-V. The layout is
told by the files.

Writes to --out: masks/<sequence>/<frame>.png, results.json, objects.csv and, where the benchmark has an
evaluation server, the zip file that it takes. The same command resumes a run that was stopped, and gives
equal results. A sequence that cannot be tracked is named and skipped; the exit status is 2 then.
"""

EXAMPLES = """\
examples:
  hs2s benchmark DAVIS --split val --out runs/davis2017
  hs2s benchmark DAVIS --split 2016/val --out runs/davis2016
  hs2s benchmark YouTubeVOS/valid --out runs/youtube-vos
  hs2s benchmark MOSE --split valid --out runs/mose --average flip
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds ``benchmark`` to the commands of ``hs2s``."""
    parser = subparsers.add_parser(
        "benchmark",
        help="track and score a whole benchmark",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="root of the data set, or of one of its splits"
    )
    parser.add_argument(
        "--split", metavar="NAME", help="a list in its ImageSets, a folder in it, or a text file"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="where to write all results"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace results of other settings in --out")
    parser.add_argument(
        "--kind", choices=tuple(BENCHMARKS), help="which benchmark it is (default: told by the files)"
    )
    parser.add_argument("--protocol", help="how to score (default: the benchmark's own), see hs2s evaluate")
    parser.add_argument(
        "--seen",
        type=Path,
        metavar="FILE",
        help=(
            "text file: the classes seen in training, one per line; default: those of the folder train beside"
            " FOLDER"
        ),
    )
    parser.add_argument(
        "--void", type=positive, metavar="N", help="value of pixels to ignore in 16-bit masks"
    )
    parser.add_argument(
        "--workers", type=positive, default=1, metavar="N", help="processes that score (default 1)"
    )
    parser.add_argument(
        "--stop-on-failure", action="store_true", help="stop at the first sequence that fails"
    )
    add_network_arguments(parser)
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Runs the command.

    Returns:
        the exit status, 0

    Raises:
        HS2SError: if the input is wrong, something cannot be written, or a sequence was not tracked
    """
    from fiftyone_hs2s.benchmark import run_benchmark

    result = run_benchmark(
        args.folder,
        args.out,
        make_tracker(args),
        split=args.split,
        kind=args.kind,
        protocol=args.protocol,
        seen=args.seen,
        void=args.void,
        adapt=args.adapt,
        method=args.model,
        num_workers=args.workers,
        skip_failures=not args.stop_on_failure,
        overwrite=args.overwrite,
    )
    result.print()
    sys.stdout.flush()
    if result.failed:
        count = len(result.failed) + len(result.tracked)
        raise HS2SError(
            f"{len(result.failed)} of {count} sequences were not tracked: {', '.join(result.failed)}."
        )
    return 0
