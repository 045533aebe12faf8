"""Objects of other clips and pictures, and look-alikes, moving before and behind the objects of a clip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from fiftyone_hs2s.training.data.augment import (
    FULL,
    Pose,
    Size,
    crossing_path,
    draw_zoom,
    elastic_field,
    pose_path,
    random_pose,
)
from fiftyone_hs2s.training.data.clip import MIN_AREA, Clip, ClipSource
from fiftyone_hs2s.training.data.cutouts import Cutout, cut_out, paste

TRACKED = 0.75  # of the pasted objects; the others are there to be mixed up with them
CROSSING = 0.6  # of the pasted objects cross another one
# Times as large as in its own picture, at most, since it gets unsharp; NEAREST where it has come near.
LARGEST = 2.5
NEAREST = 4.0


class CutoutSource(Protocol):
    """Something that draws objects to paste."""

    def cutout(self, rng: np.random.Generator, length: int) -> Cutout | None:
        """Draws an object over ``length`` frames, or None if the draw failed."""


class CopyPaste:
    """Clips of a source, a share of them with more objects in motion.

    Each is pasted before or behind all the labeled objects that are there already, and moves on a path of its
    own, most often across another object. Some are not tracked.

    Args:
        host: where the clips come from
        donors: where the pasted objects come from, each with how often it is drawn, relative
        share: of the clips that get pasted objects
        twins: share of the pasted objects that are copies of another object of the clip: mirrored, in another
            phase of their movement, tinted
        objects: how many objects of a clip are tracked at most; up to one more is pasted
        near: share of the pasted objects that come up to 6 times nearer or go away
        min_area: of an object on the first frame, as a share of the picture
    """

    def __init__(
        self,
        host: ClipSource,
        donors: Sequence[tuple[CutoutSource, float]],
        share: float,
        twins: float = 0.3,
        objects: int = 1,
        near: float = 0.0,
        min_area: float = MIN_AREA,
    ) -> None:
        self.min_area = min_area
        self.host, self.share, self.twins, self.objects, self.near = host, share, twins, objects, near
        self.donors = [donor for donor, _ in donors]
        weights = np.array([weight for _, weight in donors])
        self.weights = weights / weights.sum()

    def sample(self, rng: np.random.Generator, length: int, size: Size) -> Clip | None:
        """Draws a clip, None if the draw failed."""
        clip = self.host.sample(rng, length, size)
        if clip is None or rng.random() >= self.share:
            return clip
        frames, labels = np.ascontiguousarray(clip.frames), np.ascontiguousarray(clip.masks)
        first, count = int(clip.masks[clip.masks < 255].max()) + 1, int(rng.integers(1, self.objects + 2))
        pasted: dict[int, Cutout] = {}
        for label in range(first, first + count):
            cutout = self._draw(rng, frames, labels, pasted, first)
            if cutout is not None:
                self._add(rng, frames, labels, cutout, label)
                pasted[label] = cutout
        untracked = [label for label in pasted if rng.random() >= TRACKED]
        for label in untracked:
            labels[labels == label] = 0
        return Clip.of_objects(frames, labels, rng, self.objects, self.min_area)

    def _draw(
        self,
        rng: np.random.Generator,
        frames: np.ndarray,
        labels: np.ndarray,
        pasted: dict[int, Cutout],
        first: int,
    ) -> Cutout | None:
        """A twin of an object of the clip, or an object from elsewhere."""
        if rng.random() < self.twins:
            label = int(rng.choice([*range(1, first), *pasted]))
            original = pasted.get(label) or cut_out(list(frames), list(labels == label), whole=True)
            if original is not None:
                return original.twin(rng)
        for _ in range(5):
            cutout = self.donors[rng.choice(len(self.donors), p=self.weights)].cutout(rng, len(frames))
            if cutout is not None:
                return cutout
        return None

    def _add(
        self, rng: np.random.Generator, frames: np.ndarray, labels: np.ndarray, cutout: Cutout, label: int
    ) -> None:
        size = labels.shape[1:]
        if rng.random() < 0.5:
            cutout = cutout.brightened(_match(rng, frames, cutout))
        field = elastic_field(rng, size, rng.uniform(0, 0.025)) if len(cutout.images) == 1 else None
        poses = self._path(rng, labels, cutout)
        paste(frames, labels, cutout, poses, label, rng.uniform(0, 1), behind=rng.random() < 0.5, field=field)

    def _path(self, rng: np.random.Generator, labels: np.ndarray, cutout: Cutout) -> list[Pose]:
        length, size = len(labels), labels.shape[1:]
        height, width = cutout.images[0].shape[:2]
        fit, share = min(size[0] / height, size[1] / width), rng.uniform(0.2, 0.65)
        start = random_pose(rng, angle=15, scale=(1, 1.0001), shear=6, shift=0.35)
        start = Pose(start.angle, min(share * fit, LARGEST), start.shear, start.shift)
        meet = _place(rng, labels) if rng.random() < CROSSING else None
        poses = crossing_path(rng, start, meet, length) if meet else pose_path(rng, start, length)
        most = min(FULL * fit, NEAREST) / start.scale
        factors = draw_zoom(rng, most, length) if rng.random() < self.near else None
        if factors is None:
            return poses
        return [
            Pose(pose.angle, pose.scale * factor, pose.shear, pose.shift)
            for pose, factor in zip(poses, factors, strict=True)
        ]


def _place(rng: np.random.Generator, labels: np.ndarray) -> tuple[float, float] | None:
    """Where an object is on some frame, as a shift from the frame's middle; None if there is none."""
    labels = labels[rng.integers(len(labels) // 2, len(labels))]
    ids = [i for i in np.unique(labels) if 0 < i < 255]
    if not ids:
        return None
    ys, xs = np.nonzero(labels == rng.choice(ids))
    return xs.mean() / labels.shape[1] - 0.5, ys.mean() / labels.shape[0] - 0.5


def _match(rng: np.random.Generator, frames: np.ndarray, cutout: Cutout) -> float:
    """A factor that brings an object's brightness some way to that of the clip."""
    ratio = (frames[0, ::4, ::4].mean() + 20) / (cutout.images[0].mean() + 20)
    return float(np.clip(ratio, 0.5, 1.8) ** rng.uniform(0.3, 1.0))
