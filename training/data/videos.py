"""Clips from annotated videos: DAVIS-layout folders, or anything else that reads frames and masks."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.mask_files.layouts import IMAGES, MASKS, find_part, list_label_maps, read_split
from fiftyone_hs2s.mask_files.reading import LabelMapReader
from fiftyone_hs2s.masks import fit_mask, object_ids
from fiftyone_hs2s.training.data.augment import FULL, Size, draw_zoom, random_pose, warp, zoomed_views
from fiftyone_hs2s.training.data.clip import MIN_AREA, Clip, read_image, renumber
from fiftyone_hs2s.training.data.cutouts import Cutout, cut_out
from fiftyone_hs2s.training.data.pictures import PictureClips, list_pictures

MAX_STEP = 6  # frames between two frames of a clip
MAX_SPACING = 40  # frames between two pictures of a listed video
TRIES = 20  # to find a place where an object is in view
MOST = 254  # objects of a label map
LONG_STEP = 10  # likewise, in clips that come near

logger = logging.getLogger(__name__)


class AnnotatedVideo(Protocol):
    """The annotated frames of a video, in order. It is sent to worker processes, so it holds little."""

    name: str

    def __len__(self) -> int: ...

    def masks(self, places: Sequence[int]) -> list[np.ndarray]:
        """Label maps (H, W) of some of the annotated frames, of their size or scaled; 0 background, 255
        ignore."""

    def frames(self, places: Sequence[int]) -> list[np.ndarray]:
        """The pictures, uint8 RGB (H, W, 3), of some of the annotated frames."""


class VideoFolder:
    """An annotated sequence of pictures.

    Args:
        name: for messages
        pairs: picture and mask of each annotated frame, in order
        spacing: frames of the video from one annotated frame to the next; clips of sparse ones take smaller
            steps
    """

    def __init__(self, name: str, pairs: Sequence[tuple[Path, Path]], spacing: int = 1) -> None:
        self.name, self.spacing, self._pairs = name, spacing, pairs
        self._reader = LabelMapReader([mask for _, mask in pairs])

    def __len__(self) -> int:
        return len(self._pairs)

    def masks(self, places: Sequence[int]) -> list[np.ndarray]:
        """See :class:`AnnotatedVideo`."""
        return [self._reader.read(self._pairs[place][1]) for place in places]

    def frames(self, places: Sequence[int]) -> list[np.ndarray]:
        """See :class:`AnnotatedVideo`."""
        return [read_image(self._pairs[place][0]) for place in places]


def list_videos(root: Path, exclude: Sequence[str] = ()) -> list[VideoFolder]:
    """The sequences of a folder, but for those of held-out and development splits.

    The folder is ``{JPEGImages,Annotations}/<sequence>``, as in DAVIS, whose official archive has a folder
    ``480p`` in between and a list of the sequences for training, the only ones taken then; or a set of
    pictures, ``{Images,Masks}``, of which a ``sequences.json`` says which are frames of one video, in order:
    ``{name: [{"frame": number, "stem": of the file}, ...]}``. Frames too far apart to be tracked do not make
    a sequence. Other folders have none.
    """
    if (root / "sequences.json").is_file():
        return [video for video in _listed_videos(root) if video.name not in exclude]
    images, masks = find_part(root, IMAGES), find_part(root, MASKS)
    if images is None or masks is None:
        return []
    names = [name for name in _training_names(root, masks) if name not in exclude]
    return [VideoFolder(name, _folder_pairs(images / name, masks / name)) for name in names]


def _training_names(root: Path, masks: Path) -> list[str]:
    """The sequences to learn from: those of the list for training in ``ImageSets``, where there is one."""
    names = [sub.name for sub in sorted(masks.iterdir()) if sub.is_dir()]
    if not list(root.glob("ImageSets/**/train.txt")):
        return names
    listed = set(read_split(root, "train"))
    return [name for name in names if name in listed]


def _listed_videos(root: Path) -> Iterator[VideoFolder]:
    pairs = {image.stem: (image, mask) for image, mask in list_pictures(root)}
    for name, frames in json.loads((root / "sequences.json").read_text()).items():
        found = [pairs[frame["stem"]] for frame in frames if frame["stem"] in pairs]
        spacing = int(np.median(np.diff([frame["frame"] for frame in frames]))) if len(frames) > 1 else 1
        if spacing <= MAX_SPACING:
            yield VideoFolder(name, found, spacing)


def _folder_pairs(images: Path, masks: Path) -> list[tuple[Path, Path]]:
    pictures = {path.stem: path for path in images.iterdir()} if images.is_dir() else {}
    return [(pictures[name], path) for name, path in list_label_maps(masks).items() if name in pictures]


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
        self.videos = [video for video in videos if len(video) > 1]
        if not self.videos:
            raise HS2SError("No usable clip: it takes a video with at least two annotated frames")
        # Longer videos have more to show, but not in proportion.
        self.weights = np.sqrt([len(video) for video in self.videos])
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
        longest = max(1, longest // getattr(video, "spacing", 1))
        try:
            places = self._places_of(rng, video, length, longest, target)
            masks = video.masks(places)
            if not object_ids(masks[0]):
                return None  # no need to read frames
            frames = video.frames(places)
            masks = [fit_mask(mask, frame.shape[:2]) for mask, frame in zip(masks, frames, strict=True)]
        except (HS2SError, OSError) as error:
            logger.warning("Left out %s: %s", video.name, error)
            self.weights[number] = 0
            return None
        ids = object_ids(masks[0])
        if target is None and ids:
            target = int(rng.choice(ids))
        return (frames, masks, target) if target in ids else None

    def _places_of(
        self, rng: np.random.Generator, video: AnnotatedVideo, length: int, longest: int, target: int | None
    ) -> list[int]:
        """Places of a clip; it begins with the target in view where there is one, if that is found in some
        draws."""
        for _ in range(TRIES):
            places = _places(rng, len(video), length, longest, self.reverse)
            if target is None or (video.masks(places[:1])[0] == target).any():
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
    """The objects of a video, as its first, middle and last label maps tell."""
    maps = video.masks(sorted({0, len(video) // 2, len(video) - 1}))
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
