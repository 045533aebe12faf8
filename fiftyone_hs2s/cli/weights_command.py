"""``hs2s weights``: converts and describes weights files."""

from __future__ import annotations

import argparse
from pathlib import Path

from tabulate import tabulate

from fiftyone_hs2s.cli.output import check_outputs
from fiftyone_hs2s.errors import HS2SError


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds ``weights`` to the commands of ``hs2s``."""
    parser = subparsers.add_parser(
        "weights",
        help="convert and describe weights files",
        description="Converts and describes weights files.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    convert = actions.add_parser(
        "convert",
        help="turn a released checkpoint into a safetensors file",
        description=(
            "Turns a checkpoint as the authors of HS2S released it into a safetensors file. What is missing, "
            "left over or of another shape is named, and nothing is written then."
        ),
    )
    convert.add_argument("source", type=Path, metavar="IN.pth", help="the released checkpoint")
    convert.add_argument("target", type=Path, metavar="OUT.safetensors", help="the file to write")
    convert.add_argument(
        "--model", default="hs2s-resnet50", help="whose weights they are (default hs2s-resnet50)"
    )
    convert.set_defaults(func=run_convert)
    info = actions.add_parser(
        "info", help="describe a weights file", description="Describes a safetensors file."
    )
    info.add_argument("file", type=Path, metavar="FILE", help="the safetensors file")
    info.set_defaults(func=run_info)


def run_convert(args: argparse.Namespace) -> int:
    """Runs ``hs2s weights convert``.

    Returns:
        the exit status, 0

    Raises:
        HS2SError: if the checkpoint does not fit, or the file cannot be written
    """
    from fiftyone_hs2s.network import load_network, save_weights

    if args.target.suffix != ".safetensors":
        raise HS2SError(f"Weights are written as safetensors: name the file {args.target.stem}.safetensors.")
    check_outputs(args.target)
    save_weights(load_network(args.model, args.source), args.target)
    print(f"{args.target}: weights of {args.model}")
    return 0


def run_info(args: argparse.Namespace) -> int:
    """Runs ``hs2s weights info``.

    Returns:
        the exit status, 0

    Raises:
        HS2SError: if the file is missing, damaged or foreign
    """
    from fiftyone_hs2s.network import read_config
    from fiftyone_hs2s.network.weights import read_state_dict

    tensors = read_state_dict(args.file)
    config = read_config(args.file).to_dict()
    count = sum(tensor.numel() for tensor in tensors.values())
    print(
        f"{args.file}: {config.pop('name')}, {count / 1e6:.1f} M values,"
        f" {args.file.stat().st_size / 1e6:.1f} MB"
    )
    print(tabulate(config.items(), tablefmt="plain", disable_numparse=True))
    return 0
