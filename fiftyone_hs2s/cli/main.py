"""Entry point of the ``hs2s`` command."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from fiftyone_hs2s import __version__
from fiftyone_hs2s.command import run_command

COMMANDS = ("track", "evaluate", "analyze", "benchmark", "train", "weights", "export", "plugin")

DESCRIPTION = """\
Video object segmentation: mask an object once, get its mask on every frame.
"""

EXAMPLES = """\
examples:
  hs2s track clip.mp4 --mask first.png --out masks --overlay overlay.mp4
  hs2s evaluate --gt Annotations --pred masks
  hs2s benchmark DAVIS --split val --out runs/davis

'hs2s COMMAND --help' tells more. Exit status: 0 if all is well, 2 if something could not be
used or written, 130 after Ctrl-C.
"""


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands; each command's module adds its own."""
    parser = argparse.ArgumentParser(
        prog="hs2s",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"hs2s {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in COMMANDS:
        import_module(f"fiftyone_hs2s.cli.{name}_command").add_parser(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Args:
        argv: the arguments; None for those of the process

    Returns:
        the exit status, see :func:`fiftyone_hs2s.command.run_command`
    """
    # It would add its own words to ours; read when it is loaded.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")
    return run_command("hs2s", lambda _: _run(argv))


def _run(argv: Sequence[str] | None) -> int:
    args = build_parser().parse_args(argv)
    logging.basicConfig(format="%(message)s")
    logging.getLogger("fiftyone_hs2s").setLevel(logging.INFO)
    return args.func(args)


if __name__ == "__main__":
    sys.exit(main())
