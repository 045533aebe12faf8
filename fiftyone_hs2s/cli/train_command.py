"""``hs2s train``: trains a network on folders of videos and pictures, or on a FiftyOne dataset."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any

from fiftyone_hs2s.command import Stopped, StopSignals, run_command
from fiftyone_hs2s.errors import HS2SError

EXAMPLES = """\
examples:
  hs2s train --config tiny --dataset my-videos --gt-field frames.ground_truth --run runs/tiny
  hs2s train --config finetune --data FOLDER --set "videos=[DAVIS]" --run runs/mine
  hs2s train --config hs2s-lite --data FOLDER --run runs/hs2s-lite --set lr=1e-4
  accelerate launch --num_processes 4 -m fiftyone_hs2s.training --config hs2s-resnet50 ...

The same command resumes a run that was stopped. It needs the extra 'train':
pip install 'fiftyone-hs2s[train]'.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds ``train`` to the commands of ``hs2s``."""
    parser = subparsers.add_parser(
        "train",
        help="train a network on folders or on a FiftyOne dataset",
        description="Trains a network, or resumes the run in the folder.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", required=True, help="YAML file, or the name of one in training/configs")
    parser.add_argument("--data", type=Path, help="folder below which the config's data folders are")
    parser.add_argument("--dataset", help="a FiftyOne dataset of videos or images, with or instead of --data")
    parser.add_argument("--gt-field", help="its field with the masks, such as frames.ground_truth")
    parser.add_argument("--val", help="a FiftyOne dataset of videos with that field, to validate on")
    parser.add_argument(
        "--run", required=True, type=Path, help="folder: checkpoint, weights, log, TensorBoard"
    )
    parser.add_argument("--resume", action="store_true", help="refuse a folder without a checkpoint")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after this time")
    parser.add_argument("--workers", type=int, default=1, help="processes that make clips")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a setting")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Runs ``hs2s train``; a signal stops it between two steps.

    Returns:
        the exit status, see :func:`fiftyone_hs2s.command.run_command`
    """
    logging.basicConfig()
    for handler in logging.getLogger().handlers:
        if type(handler) is logging.StreamHandler:  # that of the shell: long runs are told with the time
            handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    return run_command("hs2s train", lambda signals: _run(args, signals), ask=True)


def _run(args: argparse.Namespace, signals: StopSignals) -> int:
    checkpoint = args.run / "checkpoint.pt"
    try:
        if args.resume and not checkpoint.is_file():
            raise HS2SError(
                f"There is not a checkpoint in {args.run} to resume from; leave out --resume to start there"
            )
        from fiftyone_hs2s.training.packages import check_packages

        check_packages()
        from fiftyone_hs2s.training.api import train
        from fiftyone_hs2s.training.run_config import TrainingConfig

        weights = train(
            TrainingConfig.load(args.config, args.set),
            args.run,
            data=args.data,
            **_read_dataset(args),
            minutes=args.minutes,
            num_workers=args.workers,
            progress=signals.check,
        )
    except Stopped as stopped:
        saved = (
            f"saved in {args.run}; the same command resumes there"
            if checkpoint.is_file()
            else "nothing saved"
        )
        raise Stopped(f"{stopped}: {saved}") from None
    print(f"weights: {weights}")
    return 0


def _read_dataset(args: argparse.Namespace) -> dict[str, Any]:
    """What ``train()`` takes of FiftyOne, which is imported only where it is needed."""
    if args.dataset is None and args.val is None:
        return {}
    from fiftyone_hs2s.dataset.train.material import read_material, read_validation

    read = dict(read_material(args.dataset, args.gt_field)._asdict()) if args.dataset is not None else {}
    return {**read, "validation": read_validation(args.val, args.gt_field)} if args.val is not None else read
