"""Clips from annotated videos."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import cv2
import numpy as np

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.masks import object_ids
from fiftyone_hs2s.training.data.annotated_video import AnnotatedVideo, OpenVideo, open_video
from fiftyone_hs2s.training.data.augment import FULL, Size, draw_zoom, random_pose, warp, zoomed_views
from fiftyone_hs2s.training.data.clip import MIN_AREA, Clip, renumber
from fiftyone_hs2s.training.data.cutouts import Cutout, cut_out
from fiftyone_hs2s.training.data.pictures import PictureClips

MAX_STEP = 6  # frames between two frames of a clip
TRIES = 20  # to find a place where an object is in view
MOST = 254  # objects of a label map
LONG_STEP = 10  # likewise, in clips that come near

logger = logging.getLogger(__name__)


class VideoClips:
    """Random clips from annotated videos.

    A video that cannot be read is named once, and left out from then on.

    Args:
        videos: where they come from
        occluders: pictures whose objects pass in front in a share of the clips; real videos hide objects too
            seldom
        occluded: that share
        angle: rotation of the one affine a clip, degrees, up to +-
        scale: its scale, from and to, relative to a clip that fills the frame
        shear: degrees, up to +-
        shift: part of the frame, up to +-
        objects: how many objects of a video are tracked at most
        near: share of the clips with a camera that comes up to 6 times nearer to an object or moves away from
            it, and with up to 10 frames of the video from one frame to the next, so that objects turn
        longest: frames of a video from one frame of any other clip to the next, at most
        reverse: whether half of the clips run backward
        every_object: whether all objects of all videos are drawn equally often; else longer videos more often
        min_area: of an object on a clip's first frame, as a share of the picture

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
        objects: int = 1,
        near: float = 0.0,
        longest: int = MAX_STEP,
        reverse: bool = True,
        every_object: bool = False,
        min_area: float = MIN_AREA,
    ) -> None:
        self.objects, self.near, self.min_area = objects, near, min_area
        self.longest, self.reverse, self.every_object = longest, reverse, every_object
        self.occluders, self.occluded = occluders, occluded
        self.scale: tuple[float, float] = (scale[0], scale[1])
        self.affine = {"angle": angle, "shear": shear, "shift": shift}
        self.videos = [video for video in videos if len(video.indices) > 1]
        if not self.videos:
            raise HS2SError("No usable clip: it takes a video with at least two annotated frames")
        # Longer videos have more to show, but not in proportion.
        self.weights = np.sqrt([len(video.indices) for video in self.videos])
        if every_object:
            self.ids = [_ids(video) for video in self.videos]
            self.weights = np.array([len(ids) for ids in self.ids], float)

    def sample(self, rng: np.random.Generator, length: int, size: Size) -> Clip | None:
        """Draws a clip, None if the objects are too small at its first frame, or the video cannot be read.

        Raises:
            HS2SError: if no video can be read
        """
        near = self.near > 0 and rng.random() < self.near
        drawn = self._draw(rng, length, LONG_STEP if near else self.longest)
        if drawn is None:
            return None
        frames, masks, target = drawn
        views = _approach(rng, masks, target, size) if near else None
        moved, labels = _view(frames, masks, views or self._one_view(rng, masks, target, size), size)
        others = [i for i in object_ids(masks[0]) if i != target] if self.objects > 1 else []
        labels = renumber(labels, [target, *others][:MOST])
        if self.occluders is not None and rng.random() < self.occluded:
            self.occluders.occlude(rng, moved, labels)
        return Clip.of_objects(moved, labels, rng, self.objects, self.min_area)

    def cutout(self, rng: np.random.Generator, length: int) -> Cutout | None:
        """Draws an object to set into other clips, None if what was drawn does not serve.

        Raises:
            HS2SError: if no video can be read
        """
        drawn = self._draw(rng, length, MAX_STEP)
        return cut_out(drawn[0], [mask == drawn[2] for mask in drawn[1]], whole=True) if drawn else None

    def _draw(
        self, rng: np.random.Generator, length: int, longest: int
    ) -> tuple[list[np.ndarray], list[np.ndarray], int] | None:
        """Frames, label maps, and an object of the first frame."""
        if not self.weights.any():
            raise HS2SError("None of the videos can be read: see the warnings above")
        number = rng.choice(len(self.videos), p=self.weights / self.weights.sum())
        video = self.videos[number]
        target = int(rng.choice(self.ids[number])) if self.every_object else None
        longest = max(1, longest // video.spacing)
        try:
            opened = open_video(video)
            count = len(video.indices)  # not those that turn out to be there: what is drawn depends on it
            places = self._places_of(rng, opened, count, length, longest, target)
            masks = opened.label_maps(places)
            if not object_ids(masks[0]):
                return None  # no need to read frames
            frames = opened.pictures(places)
        except (HS2SError, OSError) as error:
            logger.warning("Left out %s: %s", video.name, error)
            self.weights[number] = 0
            return None
        ids = object_ids(masks[0])
        if target is None and ids:
            target = int(rng.choice(ids))
        return (frames, masks, target) if target in ids else None

    def _places_of(
        self,
        rng: np.random.Generator,
        video: OpenVideo,
        count: int,
        length: int,
        longest: int,
        target: int | None,
    ) -> list[int]:
        """Places of a clip; it begins with the target in view where there is one, if that is found in some
        draws."""
        for _ in range(TRIES):
            places = _places(rng, count, length, longest, self.reverse)
            if target is None or (video.label_maps(places[:1])[0] == target).any():
                break
        return places

    def _one_view(
        self, rng: np.random.Generator, masks: list[np.ndarray], target: int, size: Size
    ) -> list[np.ndarray]:
        """One affine for the whole clip, around a place between the picture's middle and the object."""
        height, width = masks[0].shape
        ys, xs = np.nonzero(masks[0] == target)
        pull = rng.uniform(0, 0.7)
        center = (width / 2 * (1 - pull) + xs.mean() * pull, height / 2 * (1 - pull) + ys.mean() * pull)
        fit = max(size[0] / height, size[1] / width)
        pose = random_pose(rng, scale=(self.scale[0] * fit, self.scale[1] * fit), **self.affine)
        return [pose.matrix(center, size)] * len(masks)


def _view(
    frames: list[np.ndarray], masks: list[np.ndarray], matrices: list[np.ndarray], size: Size
) -> tuple[np.ndarray, np.ndarray]:
    """What a camera sees: (T, H, W, 3), (T, H, W)."""
    # Avoids aliasing when a large picture gets small.
    if np.sqrt(abs(np.linalg.det(matrices[0][:, :2]))) < 0.6:
        frames = [cv2.blur(frame, (2, 2)) for frame in frames]
    moved = [warp(frame, matrix, size) for frame, matrix in zip(frames, matrices, strict=True)]
    labels = [
        warp(mask, matrix, size, nearest=True, border=0) for mask, matrix in zip(masks, matrices, strict=True)
    ]
    return np.stack(moved), np.stack(labels)


def _approach(
    rng: np.random.Generator, masks: list[np.ndarray], target: int, size: Size
) -> list[np.ndarray] | None:
    """A camera that comes near to an object or moves away; None if the object is too large for that."""
    boxes = np.array([cv2.boundingRect((mask == target).view(np.uint8)) for mask in masks])
    for t in range(1, len(boxes)):
        if not boxes[t, 2]:
            boxes[t] = boxes[t - 1]  # not in view
    shares = boxes[:, 2:] / np.array(masks[0].shape[::-1])
    factors = draw_zoom(rng, FULL / shares.max(), len(masks))
    if factors is None:
        return None
    return zoomed_views(rng, boxes[:, :2] + boxes[:, 2:] / 2, factors, masks[0].shape, size)


def _ids(video: AnnotatedVideo) -> list[int]:
    """The objects of a video, as its first, middle and last label maps tell; none if it cannot be read."""
    count = len(video.indices)
    try:
        maps = open_video(video).label_maps(sorted({0, count // 2, count - 1}))
    except (HS2SError, OSError) as error:
        logger.warning("Left out %s: %s", video.name, error)
        return []
    return sorted({i for label_map in maps for i in object_ids(label_map)})


def _places(
    rng: np.random.Generator, count: int, length: int, longest: int = MAX_STEP, reverse: bool = True
) -> list[int]:
    """Indices with random steps, in either direction of time; short videos run back and forth."""
    steps = rng.integers(1, rng.integers(1, longest + 1) + 1, size=length - 1)
    offsets = np.concatenate([[0], np.cumsum(steps)])
    start = rng.integers(0, max(1, count - offsets[-1]))
    at = start + offsets
    if reverse and rng.random() < 0.5:
        at = at[::-1]
    period = max(1, 2 * (count - 1))
    folded = at % period
    return [int(min(i, period - i)) for i in folded]
