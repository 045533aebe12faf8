"""Objects cut out of pictures and videos frame by frame, and set into other clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from fiftyone_hs2s.training.data.augment import Pose, elastic, jitter_color, warp

MIN_PIXELS = 400  # of an object where it is cut out: below, it has no texture worth seeing
_CUT = 0.5  # longest edge along the picture's border, in square roots of the object's area


@dataclass
class Cutout:
    """An object over T frames, or the same picture for all frames where T is 1.

    Attributes:
        images: uint8 RGB (h, w, 3) of each frame, cropped to the object
        alphas: uint8 (h, w), 0 or 255; None where the frame does not show the object
        centers: (x, y) of the middle of each crop, in pixels, relative to that of the first
    """

    images: list[np.ndarray]
    alphas: list[np.ndarray | None]
    centers: np.ndarray

    @property
    def side(self) -> int:
        """Longest side of the object on the first frame, in pixels."""
        return max(self.images[0].shape[:2])

    def mirrored(self) -> Cutout:
        """Left is right."""
        return Cutout(
            [np.ascontiguousarray(image[:, ::-1]) for image in self.images],
            [None if alpha is None else np.ascontiguousarray(alpha[:, ::-1]) for alpha in self.alphas],
            self.centers * (-1, 1),
        )

    def shifted(self, shift: int) -> Cutout:
        """It begins ``shift`` frames later in its own movement, which runs backward once it has reached
        the end."""
        period = max(1, 2 * (len(self.images) - 1))
        turns = [(t + shift) % period for t in range(len(self.images))]
        order = [min(turn, period - turn) for turn in turns]
        if self.alphas[order[0]] is None:
            return self
        centers = self.centers[order] - self.centers[order[0]]
        return Cutout([self.images[t] for t in order], [self.alphas[t] for t in order], centers)

    def tinted(self, rng: np.random.Generator, strength: float = 0.15) -> Cutout:
        """In somewhat other colors."""
        state = rng.bit_generator.state
        images = []
        for image in self.images:  # the same draw for all frames, which differ in size
            rng.bit_generator.state = state
            images.append(jitter_color(rng, image[None], strength)[0])
        return Cutout(images, self.alphas, self.centers)

    def brightened(self, factor: float) -> Cutout:
        """Brighter by the factor."""
        images = [cv2.convertScaleAbs(image, alpha=factor) for image in self.images]
        return Cutout(images, self.alphas, self.centers)

    def twin(self, rng: np.random.Generator) -> Cutout:
        """A look-alike: mirrored, in another phase of its movement, or tinted."""
        twin = self.mirrored() if rng.random() < 0.6 else self
        if len(self.images) > 2 and rng.random() < 0.6:
            twin = twin.shifted(int(rng.integers(1, len(self.images))))
        return twin.tinted(rng) if twin is self or rng.random() < 0.5 else twin


def cut_out(frames: Sequence[np.ndarray], masks: Sequence[np.ndarray], whole: bool = False) -> Cutout | None:
    """Cuts an object out; None if it is too small on the first frame.

    Args:
        frames: uint8 RGB (H, W, 3)
        masks: bool (H, W) of the object on each of them
        whole: also None where the frame's border cuts the object, which elsewhere would show as a straight
            edge
    """
    if np.count_nonzero(masks[0]) < MIN_PIXELS or (whole and any(_is_cut(mask) for mask in masks)):
        return None
    images, alphas, centers = [], [], np.zeros((len(frames), 2))
    for t, (frame, mask) in enumerate(zip(frames, masks, strict=True)):
        x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
        box = slice(y, y + max(1, height)), slice(x, x + max(1, width))
        images.append(frame[box].copy())  # the frame may be pasted on
        alphas.append(mask[box].view(np.uint8) * 255 if width else None)
        centers[t] = (x + width / 2, y + height / 2) if width else centers[t - 1]
    return Cutout(images, alphas, centers - centers[0])


def _is_cut(mask: np.ndarray) -> bool:
    edges = [np.count_nonzero(edge) for edge in (mask[0], mask[-1], mask[:, 0], mask[:, -1])]
    return bool(max(edges) > max(2, _CUT * np.sqrt(np.count_nonzero(mask))))


def paste(
    frames: np.ndarray,
    labels: np.ndarray,
    cutout: Cutout,
    poses: Sequence[Pose],
    label: int,
    own_motion: float = 0.0,
    behind: bool = False,
    field: np.ndarray | None = None,
) -> None:
    """Sets a cutout into a clip, in place.

    Args:
        frames: uint8 (T, H, W, 3)
        labels: uint8 (T, H, W); the pixels of the cutout get ``label``
        cutout: of T frames, or of one
        poses: where its middle goes, one a frame; scales are relative to the cutout's pixels
        label: 0 for a part of the background
        own_motion: how much of the cutout's movement in its own video is added, 0..1
        behind: whether all that has a label stays on top
        field: displacement in pixels (H, W, 2) that bends it more and more
    """
    size = labels.shape[1:]
    still = len(cutout.images) == 1
    for t, pose in enumerate(poses):
        image, alpha = cutout.images[0 if still else t], cutout.alphas[0 if still else t]
        if alpha is None:
            continue
        matrix = pose.matrix((alpha.shape[1] / 2, alpha.shape[0] / 2), size)
        if not still:
            matrix[:, 2] += matrix[:, :2] @ cutout.centers[t] * own_motion
        image, alpha, matrix = _shrink(image, alpha, matrix)
        bend = None if field is None else field * (t / len(poses))
        box = _reach(matrix, alpha.shape, size, 2 if bend is None else 2 + int(np.abs(bend).max()))
        if box is None:
            continue
        image, alpha = _warp_into(box, image, alpha, matrix, bend)
        _blend(frames[t][box], labels[t][box], image, alpha, label, behind)


Box = tuple[slice, slice]


def _shrink(
    image: np.ndarray, alpha: np.ndarray, matrix: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where it gets much smaller, averages pixels first, since warping would skip some."""
    times = int(np.sqrt(abs(np.linalg.det(matrix[:, :2]))) ** -1)
    if times < 2 or min(alpha.shape) < 2 * times:
        return image, alpha, matrix
    size = alpha.shape[1] // times, alpha.shape[0] // times
    ratio = np.array(alpha.shape[::-1]) / size
    image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    alpha = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)
    return image, alpha, np.column_stack([matrix[:, :2] * ratio, matrix[:, 2]])


def _reach(matrix: np.ndarray, source: tuple[int, ...], size: tuple[int, ...], margin: int) -> Box | None:
    """The part of the frame that a crop gets to, with a margin; None if that is outside."""
    height, width = source
    corners = matrix @ np.array([[0, width, 0, width], [0, 0, height, height], [1, 1, 1, 1]])
    low = np.maximum(np.floor(corners.min(1)).astype(int) - margin, 0)
    high = np.minimum(np.ceil(corners.max(1)).astype(int) + margin, size[::-1])
    return (slice(low[1], high[1]), slice(low[0], high[0])) if (low < high).all() else None


def _warp_into(
    box: Box, image: np.ndarray, alpha: np.ndarray, matrix: np.ndarray, bend: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Image and alpha of that part of the frame."""
    size = box[0].stop - box[0].start, box[1].stop - box[1].start
    matrix = np.column_stack([matrix[:, :2], matrix[:, 2] - (box[1].start, box[0].start)])
    image, alpha = warp(image, matrix, size), warp(alpha, matrix, size, border=0)
    if bend is not None:
        image, alpha = elastic(image, bend[box]), elastic(alpha, bend[box])
    return image, alpha


def _blend(
    frame: np.ndarray, labels: np.ndarray, image: np.ndarray, alpha: np.ndarray, label: int, behind: bool
) -> None:
    soft = cv2.GaussianBlur(alpha, (3, 3), 0)
    shown = alpha > 127
    if behind:
        free = labels == 0
        shown &= free
        soft = cv2.multiply(soft, cv2.GaussianBlur(free.astype(np.uint8) * 255, (3, 3), 0), scale=1 / 255)
    share = soft[..., None].astype(np.float32) / 255
    frame[:] = (image * share + frame * (1 - share) + 0.5).astype(np.uint8)
    labels[shown] = label
