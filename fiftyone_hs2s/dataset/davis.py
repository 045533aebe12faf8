"""Imports folders in DAVIS layout as a dataset of videos."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fiftyone as fo
import fiftyone.core.utils as fou
import numpy as np

from fiftyone_hs2s.dataset.videos import open_dataset, video_sample
from fiftyone_hs2s.errors import HS2SError, VideoError
from fiftyone_hs2s.masks import join_masks, list_sequences
from fiftyone_hs2s.overlay import VideoWriter

if TYPE_CHECKING:
    from fiftyone_hs2s.tracking import Frames
    from fiftyone_hs2s.tracking.folders import MaskFiles

logger = logging.getLogger(__name__)

_CRF = 12
"""Of the videos: what their compression changes is less than what JPEG did before."""


def import_davis(
    root: str | os.PathLike[str],
    sequences: Sequence[str] | None = None,
    name: str | None = None,
    *,
    field: str = "ground_truth",
    fps: float = 24,
    videos: str | os.PathLike[str] | None = None,
    persistent: bool = False,
    progress: bool | Callable[[Any], None] | None = None,
) -> fo.Dataset:
    """Imports sequences in DAVIS layout: ``<root>/JPEGImages/<sequence>`` and ``<root>/Annotations/<sequence>``.

    Each becomes a video sample, encoded without visible loss, with the name of its sequence in
    ``sequence`` and its masks as frame ``Detections``: ``index`` is the object's id, ``instance`` the same on all
    frames. Frames without annotation have no labels; void pixels belong to no object. In the official archives the
    resolution ``480p`` is taken. A sequence that cannot be used is named in a warning and passed over, and so is,
    without one, a sequence that the dataset has already.

    Args:
        root: the folder
        sequences: names of those to import; None for all that have annotations
        name: of the dataset, to which samples are added if there is one; None for a new dataset
        field: the frame field for the masks
        fps: frames per second: 24 for DAVIS; 30 for YouTube-VOS with all frames, 6 with every fifth
        videos: folder for the videos; by default one in FiftyOne's folder for datasets, which is kept even if the
            dataset is deleted
        persistent: whether a dataset that is made outlives the session
        progress: whether to show a progress bar, or a function to call with one

    Returns:
        the dataset

    Raises:
        HS2SError: if there are no such folders, the dataset is not one of videos, or no sequence could be imported
    """
    root = Path(root).resolve()
    images, masks = (_resolution(root / part) for part in ("JPEGImages", "Annotations"))
    names = list(list_sequences(masks)) if sequences is None else list(sequences)
    is_new = name is None or not fo.dataset_exists(name)
    dataset = open_dataset(name, persistent)
    folder = Path(videos or Path(fo.config.default_dataset_dir) / dataset.name) / root.name
    folder.mkdir(parents=True, exist_ok=True)
    there, errors = set(dataset.values("filepath")), []
    with fou.ProgressBar(total=len(names), progress=progress) as bar:
        for sequence in bar(names):
            video = (folder / f"{sequence}.mp4").resolve()
            if str(video) in there:
                continue
            try:
                dataset.add_sample(_import(images / sequence, masks / sequence, video, field, fps))
            except HS2SError as error:
                logger.warning("Passed over the sequence %s: %s", sequence, error)
                errors.append(error)
    if errors and len(errors) == len(names):
        if is_new:
            dataset.delete()
        raise HS2SError(f"no sequence of {root} could be imported: {errors[0]}") from errors[0]
    return dataset


def _resolution(folder: Path) -> Path:
    return folder / "480p" if (folder / "480p").is_dir() else folder


def _import(images: Path, masks: Path, video: Path, field: str, fps: float) -> fo.Sample:
    from fiftyone_hs2s.tracking import open_frames  # brings torch along
    from fiftyone_hs2s.tracking.folders import MaskFiles

    frames = open_frames(images)
    files = MaskFiles(masks, frames)
    _encode(frames, video, fps)
    sample = video_sample(video, _label_maps(files, frames.size), field, sequence=images.name)
    sample.compute_metadata()
    return sample


def _encode(frames: Frames, video: Path, fps: float) -> None:
    with VideoWriter(video, fps, _CRF) as writer:
        for frame in frames:
            writer.write(frame)
        if frames.incomplete:
            raise VideoError(frames.incomplete)


def _label_maps(files: MaskFiles, size: tuple[int, int]) -> Iterator[tuple[int, np.ndarray]]:
    """The label maps by frame number, of the video's size: sides of odd length have been made even."""
    for index in sorted(files):
        yield index + 1, np.pad(join_masks(files[index], size), [(0, side % 2) for side in size], "edge")
