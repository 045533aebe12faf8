"""Clips from single pictures with masks: objects move over their own or other, moving pictures."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.masks import fit_mask, object_ids
from training.data.augment import (
    Pose,
    Size,
    blur_motion,
    elastic,
    elastic_field,
    jitter_colour,
    pose_path,
    random_pose,
    warp,
)
from training.data.clip import Clip, read_image, read_mask

Picture = tuple[Path, "Path | bytes"]

logger = logging.getLogger(__name__)


@dataclass
class Layer:
    """An object cut out of its picture: uint8 RGB and a uint8 alpha of 0 or 255, both cropped to the object."""

    image: np.ndarray
    alpha: np.ndarray


class PictureClips:
    """Random clips made of still pictures.

    A picture that cannot be read, or whose mask does not fit it, is named once, and another drawn instead.

    Args:
        sets: sets of pictures, each a list of (picture's path, mask's path or its PNG); see :func:`list_pictures`
        paste: share of the clips whose object is pasted on another picture; in the rest the whole picture moves
        distractor: share of the pasted clips with look-alikes (the same object, mirrored and tinted) or other objects
        distractors: how many of these there are at most; 0 for none
        occluder: share of the clips where something passes in front
    """

    def __init__(
        self,
        sets: Sequence[list[Picture]],
        paste: float = 0.6,
        distractor: float = 0.5,
        occluder: float = 0.4,
        distractors: int = 1,
    ) -> None:
        self.sets = [pictures for pictures in sets if pictures]
        if not self.sets:
            raise HS2SError("There is no picture with a mask")
        weights = np.sqrt([len(pictures) for pictures in self.sets])
        self.weights = weights / weights.sum()
        self.paste, self.distractor, self.occluder, self.distractors = paste, distractor, occluder, distractors
        self._unreadable: set[tuple[int, int]] = set()

    def sample(self, rng: np.random.Generator, length: int, size: Size) -> Clip | None:
        """Draws a clip, None if what was drawn does not make one.

        Raises:
            HS2SError: if no picture can be read
        """
        image, mask = self._draw(rng)
        ids = object_ids(mask)
        if not ids:
            return None
        target = mask == rng.choice(ids)
        pasted = rng.random() < self.paste
        frames, masks = (
            self._pasted(rng, image, target, length, size)
            if pasted
            else _moved(rng, image, np.where(mask == 255, 255, target).astype(np.uint8), length, size)
        )
        if rng.random() < self.occluder:
            self.occlude(rng, frames, masks)
        if rng.random() < 0.3:
            frames = np.stack([blur_motion(rng, frame) if rng.random() < 0.5 else frame for frame in frames])
        return Clip.of_object(frames, masks == 1, masks == 255)

    def _draw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        while len(self._unreadable) < sum(map(len, self.sets)):
            number = int(rng.choice(len(self.sets), p=self.weights))
            place = number, int(rng.integers(len(self.sets[number])))
            if place not in self._unreadable:
                try:
                    return _read(*self.sets[number][place[1]])
                except HS2SError as error:
                    logger.warning("Left out: %s", error)
                    self._unreadable.add(place)
        raise HS2SError("None of the pictures can be read: see the warnings above")

    def _pasted(
        self, rng: np.random.Generator, image: np.ndarray, target: np.ndarray, length: int, size: Size
    ) -> tuple[np.ndarray, np.ndarray]:
        background, _ = self._draw(rng)
        frames, masks = _moved(rng, background, np.zeros(background.shape[:2], np.uint8), length, size)
        layer = _cut_out(image, target)
        if layer is None:
            return frames, masks
        if self.distractors and rng.random() < self.distractor:
            for _ in range(int(rng.integers(self.distractors)) + 1):
                _paste(rng, frames, masks, self._distractor(rng, layer), size, label=0)
        _paste(rng, frames, masks, layer, size, label=1)
        return frames, masks

    def _distractor(self, rng: np.random.Generator, layer: Layer) -> Layer:
        if rng.random() < 0.5:
            image = jitter_colour(rng, layer.image[None, :, ::-1], 0.15)[0]
            return Layer(np.ascontiguousarray(image), np.ascontiguousarray(layer.alpha[:, ::-1]))
        return self._other(rng) or layer

    def _other(self, rng: np.random.Generator) -> Layer | None:
        image, mask = self._draw(rng)
        ids = object_ids(mask)
        return _cut_out(image, mask == rng.choice(ids)) if ids else None

    def occlude(self, rng: np.random.Generator, frames: np.ndarray, masks: np.ndarray) -> None:
        """Lets another object pass in front, in place: frames (T, H, W, 3), masks (T, H, W).

        The first frame shows the object free: what passes comes in from the side.
        """
        other = self._other(rng)
        if other is not None and len(frames) > 2:
            side = rng.choice([-1, 1])
            start = Pose(scale=rng.uniform(0.3, 1.2), shift=(side * rng.uniform(0.3, 0.8), rng.uniform(-0.2, 0.2)))
            # From slow, so that the object shows again on the far side while a part is still hidden, to fast.
            toward = -side * rng.uniform(0.04, 0.25)
            _paste(rng, frames[1:], masks[1:], other, masks.shape[1:], label=0, start=start, toward=toward)


def list_pictures(root: Path) -> list[Picture]:
    """The pictures of a folder with ``Images`` and ``Masks``."""
    images = {path.stem: path for path in (root / "Images").iterdir()}
    return [(images[path.stem], path) for path in sorted((root / "Masks").glob("*.png")) if path.stem in images]


def _read(path: Path, mask: Path | bytes) -> tuple[np.ndarray, np.ndarray]:
    """A picture and its label map, which is brought to its size."""
    image = read_image(path)
    return image, fit_mask(read_mask(mask), image.shape[:2], f"mask of {path}")


def _cut_out(image: np.ndarray, target: np.ndarray) -> Layer | None:
    ys, xs = np.nonzero(target)
    if len(ys) < 400:
        return None
    box = slice(ys.min(), ys.max() + 1), slice(xs.min(), xs.max() + 1)
    return Layer(image[box], target[box].astype(np.uint8) * 255)


def _moved(
    rng: np.random.Generator, image: np.ndarray, mask: np.ndarray, length: int, size: Size
) -> tuple[np.ndarray, np.ndarray]:
    """A whole picture under a moving camera: (T, H, W, 3), (T, H, W)."""
    height, width = image.shape[:2]
    fit = max(size[0] / height, size[1] / width)
    start = random_pose(rng, angle=10, scale=(fit, 1.5 * fit), shear=5, shift=0.1)
    poses = pose_path(rng, start, length, speed=rng.uniform(0.1, 1.0))
    matrices = [pose.matrix((width / 2, height / 2), size) for pose in poses]
    frames = np.stack([warp(image, matrix, size) for matrix in matrices])
    masks = np.stack([warp(mask, matrix, size, nearest=True, border=0) for matrix in matrices])
    if mask.any():
        _deform(rng, frames, masks)
    return frames, masks


def _deform(rng: np.random.Generator, frames: np.ndarray, masks: np.ndarray) -> None:
    """Bends frame by frame, more and more, in place."""
    field = elastic_field(rng, masks.shape[1:], rng.uniform(0, 0.03))
    for t in range(1, len(frames)):
        frames[t] = elastic(frames[t], field * t / len(frames))
        masks[t] = elastic(masks[t], field * t / len(frames), nearest=True)


def _paste(
    rng: np.random.Generator,
    frames: np.ndarray,
    masks: np.ndarray,
    layer: Layer,
    size: Size,
    label: int,
    start: Pose | None = None,
    toward: float = 0.0,
) -> None:
    """Moves a layer over the frames, in place; its pixels get ``label``."""
    height, width = layer.alpha.shape
    if start is None:
        share = rng.uniform(0.2, 0.75)
        start = random_pose(rng, angle=20, scale=(1, 1.0001), shear=8, shift=0.3)
        start = Pose(start.angle, share, start.shear, start.shift)
    fit = min(size[0] / height, size[1] / width)
    poses = pose_path(rng, Pose(start.angle, start.scale * fit, start.shear, start.shift), len(frames))
    field = elastic_field(rng, size, rng.uniform(0, 0.025))
    for t, pose in enumerate(poses):
        drift = toward * t
        pose = Pose(pose.angle, pose.scale, pose.shear, (pose.shift[0] + drift, pose.shift[1]))
        matrix = pose.matrix((width / 2, height / 2), size)
        image = elastic(warp(layer.image, matrix, size), field * t / len(poses))
        alpha = elastic(warp(layer.alpha, matrix, size, border=0), field * t / len(poses))
        soft = cv2.GaussianBlur(alpha, (3, 3), 0)[..., None].astype(np.float32) / 255
        frames[t] = (image * soft + frames[t] * (1 - soft) + 0.5).astype(np.uint8)
        masks[t][alpha > 127] = label
