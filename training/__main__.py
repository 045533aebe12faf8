"""``python -m training --config hs2s-lite --data FOLDER --run FOLDER``."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from fiftyone_hs2s.command import Stopped, StopSignals, run_command
from fiftyone_hs2s.errors import HS2SError


def parse(argv: list[str] | None) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m training", description="Trains a network; goes on where the run in the folder stopped."
    )
    parser.add_argument("--config", required=True, help="YAML file, or the name of one in training/configs")
    parser.add_argument("--data", type=Path, help="folder below which the config's data folders are")
    parser.add_argument("--dataset", help="a FiftyOne dataset of videos or images, with or instead of --data")
    parser.add_argument("--field", help="its field with the masks, such as frames.ground_truth")
    parser.add_argument("--val", help="a FiftyOne dataset of videos with that field, to validate on")
    parser.add_argument("--run", required=True, type=Path, help="run folder: checkpoint, weights, log, TensorBoard")
    parser.add_argument(
        "--resume", action="store_true", help="insist on going on: refuse a folder without a checkpoint"
    )
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after this time")
    parser.add_argument("--workers", type=int, default=1, help="processes that make clips")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a setting")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Trains; a signal stops the run between two steps. Returns the exit status, see ``run_command``."""
    args = parse(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    return run_command("training", lambda signals: _run(args, signals), ask=True)


def _run(args: argparse.Namespace, signals: StopSignals) -> int:
    checkpoint = args.run / "checkpoint.pt"
    try:
        if args.resume and not checkpoint.is_file():
            raise HS2SError(f"There is no checkpoint in {args.run} to resume from; leave --resume away to start there")
        from training.api import train

        weights = train(
            args.config,
            args.run,
            data=args.data,
            samples=args.dataset,
            field=args.field,
            validation=args.val,
            minutes=args.minutes,
            workers=args.workers,
            overrides=args.set,
            progress=signals.check,
        )
    except Stopped as stopped:
        saved = f"saved in {args.run}; the same command goes on from there" if checkpoint.is_file() else "nothing saved"
        raise Stopped(f"{stopped}: {saved}") from None
    print(f"weights: {weights}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
