"""Trains the mask maker: ``python -m fiftyone_hs2s.training.mask_maker --data FOLDER --out
weights.safetensors``.

FOLDER holds sets of pictures, ``images/<set>/{Images,Masks}`` and ``open/<set>/{Images,Masks}``, and of
videos, ``video/<set>/{JPEGImages,Annotations}/<sequence>``, of which every fifth annotated frame is taken;
the development split is left out. The same command resumes from ``<out>.pt``. The loss is binary
cross-entropy and 1 - soft Jaccard; what is written is the running mean of the weights (0.999), in half
precision.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import numpy as np

from fiftyone_hs2s.training.mask_maker.learning import Settings, train
from fiftyone_hs2s.training.mask_maker.sets import read_sets


def main(arguments: list[str] | None = None) -> None:
    """Reads the sets, trains, logs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=Settings.steps)
    parser.add_argument("--batch", type=int, default=Settings.batch)
    parser.add_argument(
        "--side", type=int, default=Settings.side, help="of the views that it is trained on, pixels"
    )
    parser.add_argument("--rate", type=float, default=Settings.rate)
    parser.add_argument("--seed", type=int, default=Settings.seed)
    args = parser.parse_args(arguments)
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO)
    settings = Settings(args.steps, args.batch, args.side, args.rate, args.seed)
    train(read_sets(args.data, np.random.default_rng(args.seed)), args.out, settings)


if __name__ == "__main__":
    main()
