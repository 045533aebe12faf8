"""Entry point of ``python -m fiftyone_hs2s.demo``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from fiftyone_hs2s.command import run_command


def build_parser() -> argparse.ArgumentParser:
    """The parser of the demo's arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m fiftyone_hs2s.demo",
        description=(
            "Tracks the demo clip, or your own video, in a FiftyOne dataset; scores and shows the result."
        ),
    )
    parser.add_argument("--video", type=Path, metavar="MP4", help="your own video instead of the demo clip")
    parser.add_argument("--mask", type=Path, metavar="PNG", help="the objects' masks on its first frame")
    parser.add_argument("--model", help="default: as hs2s track")
    parser.add_argument("--dataset", default="hs2s-demo", metavar="NAME", help="default %(default)s")
    parser.add_argument(
        "--out", type=Path, default=Path("demo_out"), metavar="FOLDER", help="default %(default)s"
    )
    parser.add_argument(
        "--app", action="store_true", help="open the dataset in the App, after the demo if it is empty"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the demo.

    Args:
        argv: the arguments; None for those of the process

    Returns:
        the exit status, see :func:`fiftyone_hs2s.command.run_command`
    """
    args = build_parser().parse_args(argv)
    # MongoDB 6 is old, but it is what some systems run.
    os.environ.setdefault("FIFTYONE_DATABASE_VALIDATION", "false")
    return run_command("demo", lambda _: _run(args))


def _run(args: argparse.Namespace) -> int:
    from fiftyone_hs2s.demo.run import run

    run(args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
