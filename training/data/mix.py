"""An endless stream of clips from several sources, for worker processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import cv2
import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

from training.data.augment import Size, degrade, jitter_colour
from training.data.clip import Clip


class ClipSource(Protocol):
    """Something that draws clips."""

    def sample(self, rng: np.random.Generator, length: int, size: Size) -> Clip | None:
        """Draws a clip of ``length`` frames at ``size`` (H, W), or None if the draw failed."""


class MixedClips(IterableDataset):
    """Draws clips from sources in proportion to weights, and augments them.

    Yields (frames uint8 (T, 3, H, W), masks uint8 (T, 1, H, W) with 255 = ignore).

    Args:
        sources: where clips come from
        weights: how often each is drawn, relative
        length: frames a clip
        size: (H, W), multiples of 32
        seed: of the random numbers; every worker has a stream of its own
    """

    def __init__(
        self, sources: Sequence[ClipSource], weights: Sequence[float], length: int, size: Size, seed: int
    ) -> None:
        self.sources = sources
        self.weights = np.asarray(weights) / np.sum(weights)
        self.length, self.size, self.seed = length, size, seed

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        worker = get_worker_info()
        cv2.setNumThreads(1)
        rng = np.random.default_rng([self.seed, worker.id if worker else 0])
        while True:
            clip = self._draw(rng)
            yield (
                torch.from_numpy(np.ascontiguousarray(clip.frames.transpose(0, 3, 1, 2))),
                torch.from_numpy(np.ascontiguousarray(clip.masks[:, None])),
            )

    def _draw(self, rng: np.random.Generator) -> Clip:
        for _ in range(1000):
            source = self.sources[rng.choice(len(self.sources), p=self.weights)]
            clip = source.sample(rng, self.length, self.size)
            if clip is not None:
                clip = clip.flipped() if rng.random() < 0.5 else clip
                frames = degrade(rng, jitter_colour(rng, np.ascontiguousarray(clip.frames)))
                return Clip(frames, clip.masks)
        raise RuntimeError("1000 draws in a row gave no usable clip")
