"""The stream of clips of a run: clip number n is always the same, so that a run goes on exactly where it stopped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from fiftyone_hs2s.errors import HS2SError
from training.data.augment import Size, degrade, jitter_colour
from training.data.clip import Clip, ClipSource
from training.stop import leave_stopping_to_main


class MixedClips(Dataset):
    """Draws clips from sources in proportion to weights, and augments them.

    ``clips[step, place]`` is (frames uint8 (T, 3, H, W), masks uint8 (T, 1, H, W) with 255 = ignore): a function of the
    seed and the two numbers alone, whatever worker or process draws it.

    Args:
        sources: where clips come from, each with how often it is drawn, relative
        length: frames a clip, at least
        size: (H, W), multiples of 32
        seed: of the random numbers
        portrait: share of the steps whose clips are (W, H); half of those clips lie on their side
        carried: up to so many more frames a clip, as many for all clips of a step
    """

    def __init__(
        self,
        sources: Sequence[tuple[ClipSource, float]],
        length: int,
        size: Size,
        seed: int,
        portrait: float = 0.0,
        carried: int = 0,
    ) -> None:
        self.sources = [source for source, _ in sources]
        weights = np.array([weight for _, weight in sources])
        self.weights = weights / weights.sum()
        self.length, self.size, self.seed, self.portrait, self.carried = length, size, seed, portrait, carried

    def __getitem__(self, place: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
        cv2.setNumThreads(1)  # the workers are the threads
        rng = np.random.default_rng([self.seed, *place])
        # All clips of a step have one size and one length.
        step = np.random.default_rng([self.seed, place[0]])
        upright = step.random() < self.portrait
        turned = upright and rng.random() < 0.5
        length = self.length + int(step.integers(self.carried + 1))
        clip = self._draw(rng, length, self.size[::-1] if upright and not turned else self.size)
        clip = clip.turned() if turned else clip
        return (
            torch.from_numpy(np.ascontiguousarray(clip.frames.transpose(0, 3, 1, 2))),
            torch.from_numpy(np.ascontiguousarray(clip.masks[:, None])),
        )

    def _draw(self, rng: np.random.Generator, length: int, size: Size) -> Clip:
        for _ in range(1000):
            source = self.sources[rng.choice(len(self.sources), p=self.weights)]
            clip = source.sample(rng, length, size)
            if clip is not None:
                clip = clip.flipped() if rng.random() < 0.5 else clip
                frames = degrade(rng, jitter_colour(rng, np.ascontiguousarray(clip.frames)))
                return Clip(frames, clip.masks)
        raise HS2SError("1000 draws in a row gave no usable clip: are the objects too small or the videos unreadable?")


def draw_batches(
    clips: MixedClips, places: Iterable[list[tuple[int, int]]], workers: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Batches of clips, drawn ahead by worker processes, or here where there are none.

    Args:
        clips: what to draw
        places: the places of each batch
        workers: number of processes
    """
    ahead = 3 if workers else None
    loader = DataLoader(
        clips, batch_sampler=places, num_workers=workers, prefetch_factor=ahead, worker_init_fn=leave_stopping_to_main
    )
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # ends OpenCV's threads: a worker, which has none of them, would wait for them for ever
    try:
        return iter(loader)
    finally:
        cv2.setNumThreads(threads)
