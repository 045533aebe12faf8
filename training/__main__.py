"""``python -m training --config hs2s-lite --data FOLDER --run FOLDER``."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from fiftyone_hs2s.errors import HS2SError
from training.config import TrainingConfig
from training.loop import Trainer


def main(argv: list[str] | None = None) -> int:
    """Parses the command line and trains; 2 for bad input."""
    parser = argparse.ArgumentParser(
        prog="python -m training", description="Trains a network; goes on where the run stopped."
    )
    parser.add_argument("--config", required=True, help="YAML file, or the name of one in training/configs")
    parser.add_argument("--data", required=True, type=Path, help="folder below which the config's data folders are")
    parser.add_argument("--run", required=True, type=Path, help="run folder: checkpoint, weights and log")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after this time")
    parser.add_argument("--workers", type=int, default=1, help="processes that make clips")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a setting")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        Trainer(TrainingConfig.load(args.config, args.set), args.data, args.run, args.workers).train(args.minutes)
    except HS2SError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
