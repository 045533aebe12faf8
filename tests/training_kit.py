"""A small run: a red square on noise, to train on in seconds."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch

from fiftyone_hs2s.masks import write_label_map
from fiftyone_hs2s.training.clip_sources import folder_sources
from fiftyone_hs2s.training.data.mix import MixedClips
from fiftyone_hs2s.training.loop import Trainer
from fiftyone_hs2s.training.run_config import TrainingConfig


def write_square(root: Path) -> Path:
    """Writes a video and pictures of a red square on noise."""
    rng = np.random.default_rng(0)
    for t in range(8):
        frame = rng.integers(60, 120, (96, 128, 3), dtype=np.uint8)
        mask = np.zeros((96, 128), np.uint8)
        mask[30:66, 20 + 6 * t : 56 + 6 * t] = 1
        frame[mask == 1] = (40, 40, 230)
        for folder, kind in (("video/made", "JPEGImages/square"), ("video/made", "Annotations/square")):
            (root / folder / kind).mkdir(parents=True, exist_ok=True)
        for kind in ("Images", "Masks"):
            (root / "images/made" / kind).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / f"video/made/JPEGImages/square/{t:05d}.jpg"), frame)
        write_label_map(root / f"video/made/Annotations/square/{t:05d}.png", mask)
        cv2.imwrite(str(root / f"images/made/Images/{t}.jpg"), frame)
        write_label_map(root / f"images/made/Masks/{t}.png", mask)
    return root


def small_config(**changes: object) -> TrainingConfig:
    values = {
        "model": "hs2s-lite",
        "videos": ["video/*"],
        "pictures": ["images/*"],
        "stages": [{"steps": 4, "size": [64, 96], "length": 3, "batch": 2}],
        "warmup": 1,
    }
    return TrainingConfig.from_dict({**values, **changes})


def make_trainer(data: Path, run: Path, **changes: object) -> Trainer:
    config = small_config(**changes)
    return Trainer(config, folder_sources(config, data), run, num_workers=0)


def some_clips(trainer: Trainer, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    clips = MixedClips(trainer.sources, 3, (64, 96), seed=3)
    frames, masks = zip(*(clips[0, place] for place in range(count)), strict=True)
    return torch.stack(frames), torch.stack(masks)
