"""The sets of pictures and videos that the mask maker learns from."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from fiftyone_hs2s.training.clip_sources import find_folders
from fiftyone_hs2s.training.data.annotated_video import AnnotatedVideo, open_video
from fiftyone_hs2s.training.data.pictures import Picture, list_pictures
from fiftyone_hs2s.training.data.video_folders import list_videos
from fiftyone_hs2s.training.mask_maker.examples import Stored, store
from fiftyone_hs2s.training.run_config import TrainingConfig

MOST = 1200
"""Objects that are kept of a set."""
EVERY = 5
"""Of the annotated frames of a video, each so many-th is taken."""
NOT_OBJECTS = ("BSDS500-regions", "Caltech101")
"""Sets whose masks are regions, or drawings."""

logger = logging.getLogger(__name__)


def read_sets(data: Path, rng: np.random.Generator, most: int = MOST) -> list[list[Stored]]:
    """The objects of every set that has some.

    Args:
        data: holds ``images/<set>/{Images,Masks}``, ``open/<set>/{Images,Masks}`` and
            ``video/<set>/{JPEGImages,Annotations}/<sequence>``; what ``hs2s-lite`` is not trained on is left
            out
        rng: draws which objects are kept
        most: objects to keep of a set

    Raises:
        HS2SError: if there are no such folders
    """
    exclude = TrainingConfig.load("hs2s-lite").exclude
    found: list[tuple[str, Sequence[Picture]]] = [
        (root.name, list_pictures(root)) for root in find_folders(data, ("images/*", "open/*"), "Masks")
    ]
    for root in find_folders(data, ("video/*",), "Annotations"):
        frames = [picture for video in list_videos(root, exclude) for picture in _frames(video)]
        found.append((root.name, frames))
    sets = []
    for name, pictures in found:
        if name not in NOT_OBJECTS:
            sets.append(store(pictures, rng, most))
            logger.info("%s: %d objects", name, len(sets[-1]))
    return [stored for stored in sets if stored]


def _frames(video: AnnotatedVideo) -> list[Picture]:
    places = range(0, len(video.indices), EVERY)
    return [(partial(_picture, video, place), partial(_label_map, video, place)) for place in places]


def _picture(video: AnnotatedVideo, place: int) -> np.ndarray:
    return open_video(video).pictures([place])[0]


def _label_map(video: AnnotatedVideo, place: int) -> np.ndarray:
    return open_video(video).label_maps([place])[0]
