"""Entry point of the ``hs2s`` command."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from fiftyone_hs2s import __version__
from fiftyone_hs2s.errors import HS2SError

COMMANDS = ("track", "evaluate", "analyze", "weights")

DESCRIPTION = """\
Video object segmentation: mask an object once, get its mask on every frame.
"""

EXAMPLES = """\
examples:
  hs2s track clip.mp4 --mask first.png --out masks --overlay overlay.mp4
  hs2s evaluate --gt Annotations --pred masks

'hs2s COMMAND --help' tells more. Exit status: 0 if all is well, 2 if something given could not be used.
"""


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands; each command's module adds its own."""
    parser = argparse.ArgumentParser(
        prog="hs2s", description=DESCRIPTION, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"hs2s {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in COMMANDS:
        import_module(f"fiftyone_hs2s.cli.{name}").add_parser(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Args:
        argv: the arguments; None for those of the process

    Returns:
        the exit status: 0, or 2 for an error that the user can mend, said in one sentence on stderr
    """
    os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")  # it would add its own words to ours; read when it is loaded
    args = build_parser().parse_args(argv)
    logging.basicConfig(format="%(message)s")
    logging.getLogger("fiftyone_hs2s").setLevel(logging.INFO)
    try:
        return args.func(args)
    except HS2SError as error:
        print(f"hs2s: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("hs2s: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
