"""Clips from annotated videos: DAVIS-layout folders, or anything else that reads frames and masks."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.masks import fit_mask, object_ids
from training.data.augment import Size, random_pose, warp
from training.data.clip import Clip, read_image, read_mask
from training.data.pictures import PictureClips

VOID = 255
MAX_STEP = 6  # frames between two frames of a clip

logger = logging.getLogger(__name__)


class AnnotatedVideo(Protocol):
    """The annotated frames of a video, in order. It is sent to worker processes, so it holds little."""

    name: str

    def __len__(self) -> int: ...

    def masks(self, places: Sequence[int]) -> list[np.ndarray]:
        """Label maps (H, W) of some of the annotated frames, of their size or scaled; 0 background, 255 ignore."""

    def frames(self, places: Sequence[int]) -> list[np.ndarray]:
        """The pictures, uint8 RGB (H, W, 3), of some of the annotated frames."""


class VideoFolder:
    """A sequence of a DAVIS-layout folder ``<root>/{JPEGImages,Annotations}/<name>``."""

    def __init__(self, root: Path, name: str) -> None:
        self.name = name
        images = {path.stem: path for path in (root / "JPEGImages" / name).iterdir()}
        masks = sorted((root / "Annotations" / name).glob("*.png"))
        self._pairs = [(images[path.stem], path) for path in masks if path.stem in images]

    def __len__(self) -> int:
        return len(self._pairs)

    def masks(self, places: Sequence[int]) -> list[np.ndarray]:
        """See :class:`AnnotatedVideo`."""
        return [read_mask(self._pairs[place][1]) for place in places]

    def frames(self, places: Sequence[int]) -> list[np.ndarray]:
        """See :class:`AnnotatedVideo`."""
        return [read_image(self._pairs[place][0]) for place in places]


def list_videos(root: Path, exclude: Sequence[str] = ()) -> list[VideoFolder]:
    """The sequences of a DAVIS-layout folder, but for those of held-out and development splits."""
    names = sorted(path.name for path in (root / "Annotations").iterdir() if path.is_dir())
    return [VideoFolder(root, name) for name in names if name not in exclude]


class VideoClips:
    """Random clips of one object from annotated videos.

    A video that cannot be read is named once, and left out from then on.

    Args:
        videos: where they come from
        occluders: pictures whose objects pass in front in a share of the clips; real videos hide objects too seldom
        occluded: that share
        angle: rotation of the one affine a clip, degrees, up to +-
        scale: its scale, from and to, relative to a clip that fills the frame
        shear: degrees, up to +-
        shift: part of the frame, up to +-

    Raises:
        HS2SError: if no video has two annotated frames
    """

    def __init__(
        self,
        videos: Sequence[AnnotatedVideo],
        occluders: PictureClips | None = None,
        occluded: float = 0.35,
        angle: float = 15,
        scale: Sequence[float] = (0.9, 1.7),
        shear: float = 8,
        shift: float = 0.08,
    ) -> None:
        self.occluders, self.occluded = occluders, occluded
        self.scale: tuple[float, float] = (scale[0], scale[1])
        self.affine = {"angle": angle, "shear": shear, "shift": shift}
        self.videos = [video for video in videos if len(video) > 1]
        if not self.videos:
            raise HS2SError("No usable clip: it takes a video with at least two annotated frames")
        # Longer videos have more to show, but not in proportion.
        self.weights = np.sqrt([len(video) for video in self.videos])

    def sample(self, rng: np.random.Generator, length: int, size: Size) -> Clip | None:
        """Draws a clip, None if the object drawn is too small at its first frame, or the video cannot be read.

        Raises:
            HS2SError: if no video can be read
        """
        if not self.weights.any():
            raise HS2SError("None of the videos can be read: see the warnings above")
        number = rng.choice(len(self.videos), p=self.weights / self.weights.sum())
        video = self.videos[number]
        places = _places(rng, len(video), length)
        try:
            return self._clip(rng, video, places, size)
        except (HS2SError, OSError) as error:
            logger.warning("Left out %s: %s", video.name, error)
            self.weights[number] = 0
            return None

    def _clip(self, rng: np.random.Generator, video: AnnotatedVideo, places: list[int], size: Size) -> Clip | None:
        masks = video.masks(places)
        if not object_ids(masks[0]):
            return None  # no need to read frames
        frames = video.frames(places)
        masks = [fit_mask(mask, frame.shape[:2]) for mask, frame in zip(masks, frames, strict=True)]
        ids = object_ids(masks[0])
        if not ids:
            return None
        target = rng.choice(ids)
        moved, labels = self._crop(rng, frames, masks, target, size)
        labels = np.where(labels == target, 1, np.where(labels == VOID, VOID, 0)).astype(np.uint8)
        if self.occluders is not None and rng.random() < self.occluded:
            self.occluders.occlude(rng, moved, labels)
        return Clip.of_object(moved, labels == 1, labels == VOID)

    def _crop(
        self, rng: np.random.Generator, frames: list[np.ndarray], masks: list[np.ndarray], target: int, size: Size
    ) -> tuple[np.ndarray, np.ndarray]:
        """One affine for the whole clip, around a place between the picture's middle and the object."""
        height, width = frames[0].shape[:2]
        ys, xs = np.nonzero(masks[0] == target)
        pull = rng.uniform(0, 0.7)
        centre = (width / 2 * (1 - pull) + xs.mean() * pull, height / 2 * (1 - pull) + ys.mean() * pull)
        fit = max(size[0] / height, size[1] / width)
        pose = random_pose(rng, scale=(self.scale[0] * fit, self.scale[1] * fit), **self.affine)
        matrix = pose.matrix(centre, size)
        shrink = pose.scale < 0.6  # avoids aliasing when a large picture gets small
        frames = [cv2.blur(frame, (2, 2)) if shrink else frame for frame in frames]
        moved = np.stack([warp(frame, matrix, size) for frame in frames])
        return moved, np.stack([warp(mask, matrix, size, nearest=True, border=0) for mask in masks])


def _places(rng: np.random.Generator, count: int, length: int) -> list[int]:
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
