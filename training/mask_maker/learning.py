"""The training of the mask maker: one step after the other, from where it stopped."""

from __future__ import annotations

import dataclasses
import logging
import math
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save
from torch.optim.swa_utils import AveragedModel

from fiftyone_hs2s.files import new_file
from fiftyone_hs2s.network.mask_maker import MaskMakerNetwork
from fiftyone_hs2s.training.checkpoint import read_checkpoint, write_checkpoint
from fiftyone_hs2s.training.losses import bce, soft_jaccard
from fiftyone_hs2s.training.mask_maker.examples import Stored, examples
from fiftyone_hs2s.training.pretrained import load_lite0

WARMUP = 300  # steps
EMA = 0.999

logger = logging.getLogger(__name__)

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Views (N, 3, H, W) in 0..1, hints (N, 3, H, W), masks uint8 (N, 1, H, W) with 255 = ignore."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """A training of the mask maker.

    Attributes:
        steps: optimizer steps in all; the learning rate falls over their course
        batch: views of a step
        side: of the views, pixels
        rate: highest learning rate
        seed: of everything random
    """

    steps: int = 12000
    batch: int = 8
    side: int = 192
    rate: float = 5e-4
    seed: int = 0


class Training:
    """The network, its averaged weights and its optimizer, which stop and resume exactly.

    Args:
        settings: of the training

    Raises:
        HS2SError: if the ImageNet weights are not installed
    """

    def __init__(self, settings: Settings) -> None:
        self.settings, self.step = settings, 0
        torch.manual_seed(settings.seed)
        self.network = MaskMakerNetwork()
        load_lite0(list(self.network.stages))
        self.average = AveragedModel(self.network, avg_fn=_average)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=settings.rate, weight_decay=1e-4)

    def learn(self, batch: Batch) -> tuple[float, float]:
        """One step by binary cross-entropy and 1 - soft Jaccard.

        Returns:
            the loss and the soft Jaccard
        """
        for group in self.optimizer.param_groups:
            group["lr"] = rate(self.settings, self.step)
        view, hints, masks = batch
        logits = self.network(view, hints)
        distance = soft_jaccard(logits, masks)
        loss = bce(logits, masks) + distance
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimizer.step()
        self.average.update_parameters(self.network)
        self.step += 1
        return loss.item(), 1 - distance.item()

    def save(self, weights: Path) -> None:
        """Writes the averaged weights, in half precision, and beside them what :meth:`resume` takes."""
        state = {
            "step": self.step,
            "settings": dataclasses.asdict(self.settings),
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        write_checkpoint(checkpoint_of(weights), state)
        half = {key: value.half() for key, value in self.average.module.state_dict().items()}
        with new_file(weights) as part:
            part.write_bytes(save(half))

    def resume(self, weights: Path) -> None:
        """Continues where a training with these weights stopped; says so if that had other settings.

        Raises:
            HS2SError: if its checkpoint is damaged
        """
        state = read_checkpoint(checkpoint_of(weights), torch.device("cpu"))
        self.step = state["step"]
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        if state["settings"] != dataclasses.asdict(self.settings):
            logger.warning("Resumed with %s; before: %s", self.settings, Settings(**state["settings"]))


def checkpoint_of(weights: Path) -> Path:
    """The checkpoint beside the weights."""
    return weights.with_suffix(".pt")


def rate(settings: Settings, step: int) -> float:
    """The learning rate of a step, from 0: a linear rise, and half a cosine down to 0."""
    fall = 0.5 * (1 + math.cos(math.pi * step / settings.steps))
    return settings.rate * min(1.0, (step + 1) / WARMUP) * fall


def draw_batch(sets: Sequence[Sequence[Stored]], settings: Settings, step: int) -> Batch:
    """The batch of a step, always the same."""
    rng = np.random.default_rng([settings.seed, step])
    drawn = islice(examples(sets, settings.side, rng), settings.batch)
    views, hints, masks = (np.stack(part) for part in zip(*drawn, strict=True))
    view = torch.from_numpy(views).permute(0, 3, 1, 2).float() / 255
    return view, torch.from_numpy(hints), torch.from_numpy(masks)[:, None]


def train(
    sets: Sequence[Sequence[Stored]], weights: Path, settings: Settings, save_every: int = 500
) -> Training:
    """Trains a mask maker, or resumes the training whose weights are there.

    Args:
        sets: the objects of each set
        weights: file for the averaged weights; the checkpoint lies beside it
        settings: of the training
        save_every: steps between two checkpoints

    Raises:
        HS2SError: if the checkpoint is damaged, or the ImageNet weights are not installed
    """
    training = Training(settings)
    if checkpoint_of(weights).exists():
        training.resume(weights)
    log = _Log()
    while training.step < settings.steps:
        log.add(training.learn(draw_batch(sets, settings, training.step)), training.step)
        if training.step % save_every == 0 or training.step == settings.steps:
            training.save(weights)
    return training


class _Log:
    """A line every 100 steps."""

    def __init__(self) -> None:
        self._values: list[tuple[float, float]] = []
        self._since = time.perf_counter()

    def add(self, values: tuple[float, float], step: int) -> None:
        self._values.append(values)
        if step % 100 == 0:
            now, (loss, jaccard) = time.perf_counter(), np.mean(self._values, 0)
            seconds = (now - self._since) / len(self._values)
            logger.info("step %d: loss %.3f, soft J %.3f, %.2f s a step", step, loss, jaccard, seconds)
            self._values, self._since = [], now


def _average(mean: torch.Tensor, value: torch.Tensor, count: torch.Tensor | int) -> torch.Tensor:
    """The running mean after ``count`` values: short at first, so that it leaves the start behind."""
    decay = min(EMA, float(count) / (float(count) + 20))
    return mean.lerp(value, 1 - decay)
