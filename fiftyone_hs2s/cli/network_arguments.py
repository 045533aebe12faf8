"""The arguments of commands that track, and the tracker that they describe."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fiftyone_hs2s.averages import LABELS
from fiftyone_hs2s.choices import PRECISIONS, RUNTIMES, parse_size
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.models import BEST_MODEL, DEFAULT_MODEL_VARIABLE, default_model, shipped_models, short_name

if TYPE_CHECKING:
    from fiftyone_hs2s.tracking import Tracker

    Found = dict[str, dict[int, float]]  # {frame name: {object id: confidence}}


def add_network_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of commands that track."""
    network = parser.add_argument_group("network")
    network.add_argument("--model", help=_model_help())
    network.add_argument(
        "--weights", type=Path, metavar="FILE", help=".safetensors or .pth; default: the shipped ones"
    )
    network.add_argument(
        "--size",
        type=network_size,
        default=(256, 448),
        metavar="HxW",
        help="what the network sees (default 256x448)",
    )
    network.add_argument(
        "--reset-period",
        type=int,
        metavar="N",
        help="restart the recurrent state every N frames (0: never; default: as the model says)",
    )
    network.add_argument(
        "--device", default="auto", help="auto (CUDA where there is one; default), cpu, cuda, ..."
    )
    network.add_argument("--precision", choices=PRECISIONS, default="auto", help="default auto")
    network.add_argument(
        "--runtime",
        choices=RUNTIMES,
        default="auto",
        help="what computes the network (auto: OpenVINO on a CPU with the extra 'fast', else PyTorch)",
    )
    network.add_argument(
        "--aggregation",
        choices=("soft", "argmax"),
        default="soft",
        help="how objects compete for a pixel: soft (default), or argmax as the released code",
    )
    network.add_argument(
        "--average",
        choices=tuple(LABELS),
        default="none",
        help="average what is found: " + "; ".join(f"{name}: {label}" for name, label in LABELS.items()),
    )
    network.add_argument(
        "--adapt",
        type=_seconds,
        default=0,
        metavar="SECONDS",
        help="how long a copy of the network learns from the video's masks before tracking (default 0)",
    )


def _model_help() -> str:
    shipped = ", ".join(shipped_models())
    return f"{shipped}, a preset, or a fine-tuned one (default: ${DEFAULT_MODEL_VARIABLE}, else {BEST_MODEL})"


def chosen_model(args: argparse.Namespace) -> str:
    """The short name of the model that the network's arguments mean."""
    return short_name(args.model or (BEST_MODEL if args.weights else default_model()))


def make_tracker(args: argparse.Namespace) -> Tracker:
    """The tracker that the network's arguments describe."""
    from fiftyone_hs2s.network import load_network
    from fiftyone_hs2s.tracking import Tracker

    args.model = args.model or chosen_model(args)
    network = load_network(chosen_model(args), args.weights, args.reset_period)
    return Tracker(
        network,
        args.size,
        args.device,
        args.precision,
        args.aggregation,
        average=args.average,
        runtime=args.runtime,
    )


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0")
    return value


def network_size(text: str) -> tuple[int, int]:
    """A size (h, w) of an argument, ``256x448``."""
    try:
        return parse_size(text)
    except HS2SError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
