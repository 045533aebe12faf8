"""Clips from single pictures with masks: objects move over their own or other, moving pictures."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.masks import fit_mask, object_ids
from fiftyone_hs2s.training.data.augment import (
    FULL,
    Pose,
    Size,
    blur_motion,
    draw_zoom,
    elastic,
    elastic_field,
    pose_path,
    random_pose,
    warp,
    zoomed_views,
)
from fiftyone_hs2s.training.data.clip import (
    MIN_AREA,
    Clip,
    ImageSource,
    MaskSource,
    read_image,
    read_mask,
    renumber,
)
from fiftyone_hs2s.training.data.cutouts import Cutout, cut_out, paste

Picture = tuple[ImageSource, MaskSource]
"""A picture and its label map: each a file, or a function that gives it."""

logger = logging.getLogger(__name__)


class PictureClips:
    """Random clips made of still pictures.

    A picture that cannot be read, or whose mask does not fit it, is named once, and another drawn instead.

    Args:
        sets: sets of pictures, each a list of (picture, its label map); see :func:`list_pictures`
        paste: share of the clips whose object is pasted on another picture; in the rest the whole picture
            moves
        distractor: share of the pasted clips with look-alikes (the same object, mirrored and tinted) or other
            objects
        distractors: how many of these there are at most; 0 for none. With several objects some of them are
            tracked too
        occluder: share of the clips where something passes in front
        objects: how many instances of a picture are tracked at most
        near: share of the clips of a whole picture whose camera comes up to 6 times nearer or moves away
        backgrounds: pictures to paste objects on; empty for those of the sets
    """

    def __init__(
        self,
        sets: Sequence[Sequence[Picture]],
        paste: float = 0.6,
        distractor: float = 0.5,
        occluder: float = 0.4,
        distractors: int = 1,
        objects: int = 1,
        near: float = 0.0,
        min_area: float = MIN_AREA,
        backgrounds: Sequence[ImageSource] = (),
    ) -> None:
        self.min_area = min_area
        self.sets = [pictures for pictures in sets if pictures]
        if not self.sets:
            raise HS2SError("There is no picture with a mask")
        weights = np.sqrt([len(pictures) for pictures in self.sets])
        self.weights = weights / weights.sum()
        self.paste, self.distractor, self.occluder, self.distractors = (
            paste,
            distractor,
            occluder,
            distractors,
        )
        self.objects, self.near, self.backgrounds = objects, near, backgrounds
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
        target = rng.choice(ids)
        others = [i for i in rng.permutation(ids) if i != target] if self.objects > 1 else []
        labels = renumber(mask, [target, *others][:254])
        clip = self._pasted(rng, image, labels, length, size) if rng.random() < self.paste else None
        frames, masks = clip or _moved(rng, image, labels, length, size, self.near)
        if rng.random() < self.occluder:
            self.occlude(rng, frames, masks)
        if rng.random() < 0.3:
            frames = np.stack([blur_motion(rng, frame) if rng.random() < 0.5 else frame for frame in frames])
        return Clip.of_objects(frames, masks, rng, self.objects, self.min_area)

    def cutout(self, rng: np.random.Generator, length: int) -> Cutout | None:
        """Draws an object to set into other clips, the same on all frames; None if what was drawn does not
        serve.

        Raises:
            HS2SError: if no picture can be read
        """
        return self._other(rng, whole=True)

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
        self, rng: np.random.Generator, image: np.ndarray, labels: np.ndarray, length: int, size: Size
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Objects of a picture, each with a motion of its own, before another picture: (T, H, W, 3), (T, H,
        W).

        None if they cannot be cut out.
        """
        several = self.objects > 1
        count = int(rng.integers(self.objects)) + 1 if several else 1
        cut = [cut_out([image], [labels == label], whole=several) for label in range(1, count + 1)]
        layers = [cutout for cutout in cut if cutout is not None]
        if not layers:
            return None
        background = self._background(rng)
        frames, masks = _moved(rng, background, np.zeros(background.shape[:2], np.uint8), length, size)
        free = len(layers) + 1
        if self.distractors and rng.random() < self.distractor:
            for _ in range(int(rng.integers(self.distractors)) + 1):
                tracked = several and rng.random() < 0.5
                _fly(rng, frames, masks, self._distractor(rng, layers[0]), size, label=free if tracked else 0)
                free += tracked
        for label, layer in enumerate(layers, 1):
            _fly(rng, frames, masks, layer, size, label)
        return frames, masks

    def _background(self, rng: np.random.Generator) -> np.ndarray:
        if self.backgrounds:
            return read_image(self.backgrounds[int(rng.integers(len(self.backgrounds)))])
        return self._draw(rng)[0]

    def _distractor(self, rng: np.random.Generator, layer: Cutout) -> Cutout:
        if rng.random() < 0.5:
            return layer.mirrored().tinted(rng)
        return self._other(rng) or layer

    def _other(self, rng: np.random.Generator, whole: bool = False) -> Cutout | None:
        image, mask = self._draw(rng)
        ids = object_ids(mask)
        return cut_out([image], [mask == rng.choice(ids)], whole) if ids else None

    def occlude(self, rng: np.random.Generator, frames: np.ndarray, masks: np.ndarray) -> None:
        """Lets another object pass in front, in place: frames (T, H, W, 3), masks (T, H, W).

        The first frame shows the object free: what passes comes in from the side.
        """
        other = self._other(rng)
        if other is not None and len(frames) > 2:
            side = rng.choice([-1, 1])
            start = Pose(
                scale=rng.uniform(0.3, 1.2), shift=(side * rng.uniform(0.3, 0.8), rng.uniform(-0.2, 0.2))
            )
            # From slow, so that the object shows again on the far side while a part is still hidden, to fast.
            toward = -side * rng.uniform(0.04, 0.25)
            _fly(rng, frames[1:], masks[1:], other, masks.shape[1:], label=0, start=start, toward=toward)


def list_pictures(root: Path) -> list[tuple[Path, Path]]:
    """The pictures of a folder with ``Images`` and ``Masks``."""
    images = {path.stem: path for path in (root / "Images").iterdir()}
    return [
        (images[path.stem], path) for path in sorted((root / "Masks").glob("*.png")) if path.stem in images
    ]


def _read(source: ImageSource, mask: MaskSource) -> tuple[np.ndarray, np.ndarray]:
    """A picture and its label map, which is brought to its size."""
    image = read_image(source)
    return image, fit_mask(read_mask(mask), image.shape[:2], f"mask of {source}")


def _moved(
    rng: np.random.Generator, image: np.ndarray, mask: np.ndarray, length: int, size: Size, near: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """A whole picture under a moving camera: (T, H, W, 3), (T, H, W)."""
    height, width = image.shape[:2]
    fit = max(size[0] / height, size[1] / width)
    start = random_pose(rng, angle=10, scale=(fit, 1.5 * fit), shear=5, shift=0.1)
    poses = pose_path(rng, start, length, speed=rng.uniform(0.1, 1.0))
    matrices = [pose.matrix((width / 2, height / 2), size) for pose in poses]
    if near and rng.random() < near:
        matrices = _approach(rng, mask, length, size) or matrices
    frames = np.stack([warp(image, matrix, size) for matrix in matrices])
    masks = np.stack([warp(mask, matrix, size, nearest=True, border=0) for matrix in matrices])
    if mask.any():
        _deform(rng, frames, masks)
    return frames, masks


def _approach(rng: np.random.Generator, mask: np.ndarray, length: int, size: Size) -> list[np.ndarray] | None:
    """A camera that comes near to object 1 or moves away from it; None if it is too large for that."""
    x, y, width, height = cv2.boundingRect((mask == 1).view(np.uint8))
    factors = draw_zoom(rng, FULL / max(width / mask.shape[1], height / mask.shape[0]), length)
    if factors is None:
        return None
    return zoomed_views(rng, np.tile((x + width / 2, y + height / 2), (length, 1)), factors, mask.shape, size)


def _deform(rng: np.random.Generator, frames: np.ndarray, masks: np.ndarray) -> None:
    """Bends frame by frame, more and more, in place."""
    field = elastic_field(rng, masks.shape[1:], rng.uniform(0, 0.03))
    for t in range(1, len(frames)):
        frames[t] = elastic(frames[t], field * t / len(frames))
        masks[t] = elastic(masks[t], field * t / len(frames), nearest=True)


def _fly(
    rng: np.random.Generator,
    frames: np.ndarray,
    masks: np.ndarray,
    layer: Cutout,
    size: Size,
    label: int,
    start: Pose | None = None,
    toward: float = 0.0,
) -> None:
    """Moves an object over the frames, in place; its pixels get ``label``."""
    height, width = layer.images[0].shape[:2]
    if start is None:
        share = rng.uniform(0.2, 0.75)
        start = random_pose(rng, angle=20, scale=(1, 1.0001), shear=8, shift=0.3)
        start = Pose(start.angle, share, start.shear, start.shift)
    fit = min(size[0] / height, size[1] / width)
    poses = pose_path(rng, Pose(start.angle, start.scale * fit, start.shear, start.shift), len(frames))
    field = elastic_field(rng, size, rng.uniform(0, 0.025))
    drifted = [
        Pose(pose.angle, pose.scale, pose.shear, (pose.shift[0] + toward * t, pose.shift[1]))
        for t, pose in enumerate(poses)
    ]
    paste(frames, masks, layer, drifted, label, field=field)
