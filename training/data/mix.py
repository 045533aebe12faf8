"""The stream of clips of a run: clip number n is always the same, so that a run resumes exactly where it
stopped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.masks import VOID
from fiftyone_hs2s.training.data.augment import Size, degrade, jitter_color
from fiftyone_hs2s.training.data.clip import Clip, ClipSource
from fiftyone_hs2s.training.losses import border_classes
from fiftyone_hs2s.training.stop import leave_stopping_to_main

Batch = tuple[torch.Tensor, ...]
"""Frames, label maps, and border classes where they are asked for."""


class MixedClips(Dataset):
    """Draws clips from sources in proportion to weights, and augments them.

    ``clips[step, place]`` is (frames uint8 (T, 3, H, W), masks uint8 (T, 1, H, W) with 255 = ignore): a
    function of the seed and the two numbers alone, whatever worker or process draws it.

    Args:
        sources: where clips come from, each with how often it is drawn, relative
        length: frames a clip, at least
        size: (H, W), multiples of 32
        seed: of the random numbers
        portrait: share of the steps whose clips are (W, H); half of those clips lie on their side
        carried: up to so many more frames a clip, as many for all clips of a step
        color: strength of the change of colors
        degraded: share of the clips that are degraded
        border: whether clips come with the border classes of their objects: a third tensor, uint8 (T, K, H,
            W), see :func:`fiftyone_hs2s.training.losses.border_classes`; K is this number, 0 for none
    """

    def __init__(
        self,
        sources: Sequence[tuple[ClipSource, float]],
        length: int,
        size: Size,
        seed: int,
        portrait: float = 0.0,
        carried: int = 0,
        color: float = 0.2,
        degraded: float = 0.3,
        border: int = 0,
    ) -> None:
        self.sources = [source for source, _ in sources]
        weights = np.array([weight for _, weight in sources])
        self.weights = weights / weights.sum()
        self.length, self.size, self.seed, self.portrait, self.carried = length, size, seed, portrait, carried
        self.color, self.degraded, self.border = color, degraded, border

    def __getitem__(self, place: tuple[int, int]) -> Batch:
        cv2.setNumThreads(1)  # the workers are the threads
        rng = np.random.default_rng([self.seed, *place])
        # All clips of a step have one size and one length.
        step = np.random.default_rng([self.seed, place[0]])
        upright = step.random() < self.portrait
        turned = upright and rng.random() < 0.5
        length = self.length + int(step.integers(self.carried + 1))
        clip = self._draw(rng, length, self.size[::-1] if upright and not turned else self.size)
        clip = clip.turned() if turned else clip
        arrays = [clip.frames.transpose(0, 3, 1, 2), clip.masks[:, None]]
        if self.border:
            arrays.append(np.stack([_border(mask, self.border) for mask in clip.masks]))
        return tuple(torch.from_numpy(np.ascontiguousarray(array)) for array in arrays)

    def _draw(self, rng: np.random.Generator, length: int, size: Size) -> Clip:
        for _ in range(1000):
            source = self.sources[rng.choice(len(self.sources), p=self.weights)]
            clip = source.sample(rng, length, size)
            if clip is not None:
                clip = clip.flipped() if rng.random() < 0.5 else clip
                frames = jitter_color(rng, np.ascontiguousarray(clip.frames), self.color)
                frames = degrade(rng, frames, self.degraded)
                return Clip(frames, clip.masks)
        raise HS2SError(
            "1000 draws in a row gave no usable clip: are the objects too small or the videos unreadable?"
        )


def _border(mask: np.ndarray, count: int) -> np.ndarray:
    """Border classes (K, H, W) of the objects 1 to K of a label map."""
    classes = np.stack([border_classes((mask == k).view(np.uint8)) for k in range(1, count + 1)]).astype(
        np.uint8
    )
    classes[:, mask == VOID] = VOID
    return classes


def draw_batches(
    clips: MixedClips, places: Iterable[list[tuple[int, int]]], num_workers: int
) -> Iterator[Batch]:
    """Batches of clips, drawn ahead by worker processes, or here where there are none.

    Args:
        clips: what to draw
        places: the places of each batch
        num_workers: number of processes
    """
    ahead = 3 if num_workers else None
    loader = DataLoader(
        clips,
        batch_sampler=places,
        num_workers=num_workers,
        prefetch_factor=ahead,
        worker_init_fn=leave_stopping_to_main,
    )
    threads = cv2.getNumThreads()
    # Ends OpenCV's threads: a worker, which has none of them, would wait for them for ever.
    cv2.setNumThreads(1)
    try:
        return iter(loader)
    finally:
        cv2.setNumThreads(threads)
