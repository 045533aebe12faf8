"""Clips from DAVIS-layout folders: ``<root>/JPEGImages/<sequence>`` and ``<root>/Annotations/<sequence>``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from fiftyone_hs2s.errors import HS2SError
from training.data.augment import Size, random_pose, warp
from training.data.clip import Clip, read_image, read_mask
from training.data.pictures import PictureClips

VOID = 255
MAX_STEP = 6  # frames between two frames of a clip


class VideoClips:
    """Random clips of one object from annotated videos.

    Args:
        roots: DAVIS-layout folders
        exclude: sequences that must not be used (held-out and development splits)
        occluders: pictures whose objects pass in front in a share of the clips; real videos hide objects too seldom
        occluded: that share
    """

    def __init__(
        self,
        roots: Sequence[Path],
        exclude: Sequence[str] = (),
        occluders: PictureClips | None = None,
        occluded: float = 0.35,
    ) -> None:
        self.occluders, self.occluded = occluders, occluded
        self.sequences: list[list[tuple[Path, Path]]] = []
        for root in roots:
            folders = sorted(path for path in (root / "Annotations").iterdir() if path.is_dir())
            self.sequences += [_pairs(root, folder) for folder in folders if folder.name not in exclude]
        self.sequences = [pairs for pairs in self.sequences if len(pairs) > 1]
        if not self.sequences:
            raise HS2SError(f"No usable clip in {', '.join(map(str, roots))}; it takes at least two annotated frames")
        # Longer videos have more to show, but not in proportion.
        weights = np.sqrt([len(pairs) for pairs in self.sequences])
        self.weights = weights / weights.sum()

    def sample(self, rng: np.random.Generator, length: int, size: Size) -> Clip | None:
        """Draws a clip, None if the object drawn is too small at its first frame."""
        pairs = self.sequences[rng.choice(len(self.sequences), p=self.weights)]
        chosen = [pairs[i] for i in _frame_indices(rng, len(pairs), length)]
        masks = [read_mask(mask) for _, mask in chosen]
        ids = [i for i in np.unique(masks[0]) if i not in (0, 255)]
        if not ids:
            return None
        target = rng.choice(ids)
        frames = [read_image(image) for image, _ in chosen]
        moved, labels = _crop(rng, frames, masks, target, size)
        labels[(labels != target) & (labels != VOID)] = 0
        labels[labels == target] = 1
        if self.occluders is not None and rng.random() < self.occluded:
            self.occluders.occlude(rng, moved, labels)
        return Clip.of_object(moved, labels == 1, labels == VOID)


def _pairs(root: Path, folder: Path) -> list[tuple[Path, Path]]:
    images = {path.stem: path for path in (root / "JPEGImages" / folder.name).iterdir()}
    return [(images[path.stem], path) for path in sorted(folder.glob("*.png")) if path.stem in images]


def _frame_indices(rng: np.random.Generator, count: int, length: int) -> list[int]:
    """Indices with random steps, in either direction of time; short videos run back and forth."""
    steps = rng.integers(1, rng.integers(1, MAX_STEP + 1) + 1, size=length - 1)
    offsets = np.concatenate([[0], np.cumsum(steps)])
    start = rng.integers(0, max(1, count - offsets[-1]))
    at = start + offsets
    if rng.random() < 0.5:
        at = at[::-1]
    period = max(1, 2 * (count - 1))
    folded = at % period
    return [int(min(i, period - i)) for i in folded]


def _crop(
    rng: np.random.Generator, frames: list[np.ndarray], masks: list[np.ndarray], target: int, size: Size
) -> tuple[np.ndarray, np.ndarray]:
    """One affine for the whole clip, around a place between the picture's middle and the object."""
    height, width = frames[0].shape[:2]
    ys, xs = np.nonzero(masks[0] == target)
    pull = rng.uniform(0, 0.7)
    centre = (width / 2 * (1 - pull) + xs.mean() * pull, height / 2 * (1 - pull) + ys.mean() * pull)
    fit = max(size[0] / height, size[1] / width)
    pose = random_pose(rng, angle=15, scale=(0.9 * fit, 1.7 * fit), shear=8, shift=0.08)
    matrix = pose.matrix(centre, size)
    shrink = pose.scale < 0.6  # avoids aliasing when a large picture gets small
    frames = [cv2.blur(frame, (2, 2)) if shrink else frame for frame in frames]
    moved = np.stack([warp(frame, matrix, size) for frame in frames])
    labels = np.stack([warp(mask, matrix, size, nearest=True, border=0) for mask in masks])
    return moved, labels
