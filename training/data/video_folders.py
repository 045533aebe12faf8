"""Annotated videos in folders: DAVIS, YouTube-VOS and SA-V layouts, and lists of pictures."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.files import check_file
from fiftyone_hs2s.mask_files.layouts import IMAGES, MASKS, find_part, read_split
from fiftyone_hs2s.mask_files.sequence_masks import MaskSequence
from fiftyone_hs2s.masks import fit_mask
from fiftyone_hs2s.tracking import Frames, open_frames
from fiftyone_hs2s.tracking.sources import list_images
from fiftyone_hs2s.training.data.annotated_video import AnnotatedVideo, usual_spacing

MAX_SPACING = 40  # frames between two pictures of a listed video

logger = logging.getLogger(__name__)


class VideoFolder(AnnotatedVideo):
    """A sequence of pictures in files.

    Args:
        name: for messages
        images: the frames in order
        masks: the masks, which have the names of their frames
        spacing: frames from one annotated frame to the next, if the pictures do not tell
    """

    def __init__(
        self, name: str, images: Sequence[Path], masks: MaskSequence, spacing: int | None = None
    ) -> None:
        self.name, self._images, self._masks = name, images, masks
        annotated = set(masks.names)
        self.indices = [index for index, image in enumerate(images) if image.stem in annotated]
        self.spacing = spacing or usual_spacing(self.indices)

    def open(self) -> Frames:
        return open_frames(self._images)

    def label_map(self, index: int, size: tuple[int, int]) -> np.ndarray:
        name = self._images[index].stem
        label_map = self._masks.label_map(name, size)
        return fit_mask(label_map, size, f"mask {self._masks.folder / name}")


def list_videos(root: Path, exclude: Sequence[str] = ()) -> list[VideoFolder]:
    """The sequences of a folder to learn from, but for those of held-out and development splits.

    The folder is ``{JPEGImages,Annotations}/<sequence>``, as in DAVIS, whose official archive has a folder
    ``480p`` in between and a list of the sequences for training, the only ones taken then; or a set of
    pictures, ``{Images,Masks}``, of which a ``sequences.json`` says which are frames of one video, in order:
    ``{name: [{"frame": number, "stem": of the file}, ...]}``. Frames too far apart to be tracked do not make
    a sequence. Other folders have none. A sequence without frames or masks is named and left out.
    """
    if (root / "sequences.json").is_file():
        return [video for video in _listed_videos(root) if video.name not in exclude]
    masks = find_part(root, MASKS)
    if masks is None or find_part(root, IMAGES) is None:
        return []
    videos = []
    for name in _training_names(root, masks):
        if name not in exclude:
            try:
                videos.append(read_video(root, name))
            except HS2SError as error:
                logger.warning("Left out %s: %s", name, error)
    return videos


def read_video(root: Path, name: str) -> VideoFolder:
    """One sequence of a folder ``{JPEGImages,Annotations}/<sequence>``.

    Raises:
        HS2SError: if it has no frames or no masks
    """
    images, masks = ((find_part(root, part) or root) / name for part in (IMAGES, MASKS))
    for folder in (images, masks):
        check_file(folder, "folder", folders=True)
    return VideoFolder(name, list_images(images), MaskSequence(masks))


def _training_names(root: Path, masks: Path) -> list[str]:
    """The sequences to learn from: those of the list for training in ``ImageSets``, where there is one."""
    names = [sub.name for sub in sorted(masks.iterdir()) if sub.is_dir()]
    if not list(root.glob("ImageSets/**/train.txt")):
        return names
    listed = set(read_split(root, "train"))
    return [name for name in names if name in listed]


def _listed_videos(root: Path) -> Iterator[VideoFolder]:
    images = {path.stem: path for path in list_images(root / "Images")}
    masks = MaskSequence(root / "Masks")
    for name, frames in json.loads((root / "sequences.json").read_text()).items():
        found = [images[frame["stem"]] for frame in frames if frame["stem"] in images]
        spacing = usual_spacing([frame["frame"] for frame in frames])
        if spacing <= MAX_SPACING:
            yield VideoFolder(name, found, masks, spacing)
