"""Seconds a training step takes for each clip, from the straightforward form to ours.

    python benchmarks/training_step.py --data FOLDER

Each row adds one thing to the row above it; clips have six frames, a step has two of them but for the last
row. The rows are run in turns, so that what else the machine does falls on all of them. bfloat16 is slow on
CPUs that do not compute in it. Needs the extra ``train``.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from fiftyone_hs2s.network import depthwise
from fiftyone_hs2s.training.clip_sources import folder_sources
from fiftyone_hs2s.training.loop import Trainer
from fiftyone_hs2s.training.run_config import Stage, TrainingConfig

LENGTH, FULL, LOW = 6, (256, 448), (192, 352)
COLUMNS = depthwise.COLUMNS
PER_OBJECT = {"shared_trunk": False, "mask_stage": 0, "skip_merge": "cosine", "memory_frames": 0}

ROWS: dict[str, dict] = {
    "straightforward": {
        "network": PER_OBJECT,
        "frozen_stages": 0,
        "workers": 0,
        "channels_last": False,
        "columns": 99,
        "precision": "no",
        "size": FULL,
        "batch": 2,
    },
    "each picture encoded once": {"network": {}},
    "channels last": {"channels_last": True},
    "first stages frozen": {"frozen_stages": 4},
    "wide kernels by columns": {"columns": COLUMNS},
    "clips made ahead": {"workers": 1},
    "bfloat16": {"precision": "bf16"},
    "low resolution (first stages)": {"size": LOW},
    "four clips a step": {"batch": 4},
}


def steps(data: Path, settings: dict) -> Iterator[float]:
    """Seconds of one step after the other for each of its clips, making them included."""
    config = TrainingConfig.load("hs2s-lite", ["validation=[]", "init=null"])
    same = {key: settings[key] for key in ("network", "frozen_stages", "precision")}
    stage = Stage(1000, settings["size"], LENGTH, settings["batch"])
    config = dataclasses.replace(config, stages=(stage,), **same)
    with tempfile.TemporaryDirectory() as run:
        trainer = Trainer(config, folder_sources(config, data), Path(run), num_workers=settings["workers"])
        if not settings["channels_last"]:
            trainer.network.to(memory_format=torch.contiguous_format)
        batches = iter(trainer._steps())
        while True:
            depthwise.COLUMNS = settings["columns"]
            start = time.perf_counter()
            trainer.train_step(next(batches))
            yield (time.perf_counter() - start) / settings["batch"]


def main() -> None:
    """Prints a row for each form."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    settings: dict = {}
    running = {}
    for name, changes in ROWS.items():
        settings = {**settings, **changes}
        running[name] = steps(args.data, settings)
        next(running[name])  # warm
    seconds: dict[str, list[float]] = {name: [] for name in ROWS}
    for _ in range(args.rounds):
        for name, each in running.items():
            seconds[name].append(next(each))
    first = np.median(seconds["straightforward"])
    print(f"{'':32s}{'s a clip':>10s}{'faster':>10s}   (median of {args.rounds})")
    for name, values in seconds.items():
        print(f"{name:32s}{np.median(values):10.2f}{first / np.median(values):9.2f}x", flush=True)


if __name__ == "__main__":
    main()
