"""``hs2s export``: a model's network as ONNX, for other programs."""

from __future__ import annotations

import argparse
from pathlib import Path

from fiftyone_hs2s.cli.network_arguments import network_size
from fiftyone_hs2s.cli.output import check_outputs
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.models import short_name

DESCRIPTION = """\
Writes the network of a model as ONNX, for programs without PyTorch.

There are two graphs: OUT.start.onnx starts objects from their masks on a frame, OUT.onnx advances them
by a frame. Both take "frame", float32 (1, 3, height, width), RGB in 0..1. What the start gives, the step
takes; what it gives as next_NAME, the next step takes as NAME. Each step is given "masks", what was found
last: the sigmoid of "logits", (objects, 1, height, width). The number of objects is open, the size is fixed.

It takes the extra 'fast': pip install 'fiftyone-hs2s[fast]'
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds ``export`` to the commands of ``hs2s``."""
    parser = subparsers.add_parser(
        "export",
        help="write a model's network as ONNX",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", metavar="MODEL", help="the model, such as hs2s-lite, or a fine-tuned one")
    parser.add_argument("target", type=Path, metavar="OUT.onnx", help="the file of the step")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="weights to use in place of its own")
    parser.add_argument(
        "--size",
        type=network_size,
        default=(256, 448),
        metavar="HxW",
        help="of the pictures, multiples of 32 (default 256x448)",
    )
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Runs the command.

    Returns:
        the exit status, 0

    Raises:
        HS2SError: if the model is unknown, a package is missing, or a file cannot be written
    """
    from fiftyone_hs2s.network import load_network
    from fiftyone_hs2s.runtime.onnx_export import export_onnx

    if args.target.suffix != ".onnx":
        raise HS2SError(f"The network is written as ONNX: name the file {args.target.stem}.onnx.")
    check_outputs(args.target)
    network = load_network(short_name(args.model), args.weights)
    for path in export_onnx(network, args.target, args.size):
        print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
    return 0
