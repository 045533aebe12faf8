"""Imports sequences of frames and masks as a dataset of videos: DAVIS, YouTube-VOS, SA-V."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fiftyone as fo
import numpy as np

from fiftyone_hs2s.dataset.bars import fiftyone_reporting
from fiftyone_hs2s.dataset.export.track_source import FRAME_NAMES, FRAME_SIZE
from fiftyone_hs2s.dataset.video_samples import open_dataset, video_sample
from fiftyone_hs2s.errors import HS2SError, VideoError
from fiftyone_hs2s.files import PathLike
from fiftyone_hs2s.mask_files.layouts import IMAGES, MASKS, find_part, list_sequences, read_split
from fiftyone_hs2s.mask_files.meta import Meta, read_meta
from fiftyone_hs2s.progress import ProgressOption, counted
from fiftyone_hs2s.video_writer import VideoWriter

if TYPE_CHECKING:
    from fiftyone_hs2s.tracking import Frames
    from fiftyone_hs2s.tracking.folders import MaskFiles

logger = logging.getLogger(__name__)

_CRF = 12
"""Of the videos: what their compression changes is less than what JPEG did before."""


def import_sequences(
    dataset_dir: PathLike,
    sequences: Sequence[str] | None = None,
    name: str | None = None,
    *,
    split: str | None = None,
    label_field: str = "ground_truth",
    void: int | None = None,
    fps: float = 24,
    videos: PathLike | None = None,
    persistent: bool = False,
    progress: ProgressOption = None,
) -> fo.Dataset:
    """Imports the sequences of a data set in the layout of DAVIS, YouTube-VOS or SA-V.

    The frames are ``JPEGImages/<sequence>/<frame>.jpg``; the masks are indexed PNGs
    ``Annotations/<sequence>/<frame>.png``, or one for each object, which may overlap,
    ``Annotations/<sequence>/<object>/<frame>.png``. In the official archives the resolution ``480p`` is taken
    (DAVIS), and the rate in a name (``Annotations_6fps`` of SA-V) does not matter. The categories in a
    ``meta.json`` (YouTube-VOS) become labels.

    Each becomes a video sample, encoded without visible loss, with the name of its sequence in
    ``sequence`` and its masks as frame ``Detections``: ``index`` is the object's id, ``instance`` the same on
    all frames; ``frame_names`` and ``frame_size`` keep names and an odd size that a video cannot have, for
    :func:`export_tracks`. Frames without annotation have no labels; void pixels belong to no object. A
    sequence that cannot be used is named in a warning and skipped, and so is, without one, a sequence that
    the dataset has.

    Args:
        dataset_dir: the data set's folder
        sequences: names of those to import; None for all that have annotations, or those of the split
        name: of the dataset, to which samples are added if there is one; None for a new dataset
        split: a list in the data set's ``ImageSets`` such as ``val`` or ``2016/val``, or a text file
        label_field: the frame field for the masks
        void: the value of pixels that belong to no object in 16-bit masks, such as 10000 in KITTI MOTS
        fps: frames per second: 24 for DAVIS and SA-V; 30 for YouTube-VOS with all frames, 6 with every fifth
        videos: folder for the videos; by default one in FiftyOne's folder for datasets, which is kept even if
            the dataset is deleted
        persistent: whether a dataset that is made outlives the session
        progress: whether to show a bar (None: as ``fiftyone.config.show_progress_bars`` says), or a function
            to call instead with a :class:`fiftyone_hs2s.progress.Progress` for each sequence

    Returns:
        the dataset

    Raises:
        HS2SError: if there are no such folders, the dataset is not one of videos, or no sequence could be
            imported
    """
    is_new = name is None or not fo.dataset_exists(name)
    found = SequenceFolders(dataset_dir, sequences, split, label_field, void, fps)
    dataset = open_dataset(name, persistent)
    folder = Path(videos or Path(fo.config.default_dataset_dir) / dataset.name) / found.root.name
    there, errors = set(dataset.values("filepath")), []
    with fiftyone_reporting(progress) as report:
        for sequence in counted(found.names, len(found.names), report, "sequence"):
            if str(found.video(folder, sequence)) in there:
                continue
            try:
                dataset.add_sample(found.sample(folder, sequence))
            except HS2SError as error:
                logger.warning("Skipped the sequence %s: %s", sequence, error)
                errors.append(error)
    if errors and len(errors) == len(found.names):
        if is_new:
            dataset.delete()
        raise HS2SError(f"no sequence of {found.root} could be imported: {errors[0]}") from errors[0]
    return dataset


class SequenceFolders:
    """The sequences of a data set, to be made into samples; arguments as for :func:`import_sequences`.

    Attributes:
        root: the data set's folder
        names: of the sequences

    Raises:
        HS2SError: if there are no such folders
    """

    def __init__(
        self,
        dataset_dir: PathLike,
        sequences: Sequence[str] | None = None,
        split: str | None = None,
        label_field: str = "ground_truth",
        void: int | None = None,
        fps: float = 24,
    ) -> None:
        self.root = Path(dataset_dir).resolve()
        self._images, self._masks = _parts(self.root)
        if sequences is None:
            sequences = list(list_sequences(self._masks)) if split is None else read_split(self.root, split)
        self.names = list(sequences)
        self._classes, self._field, self._void, self._fps = _classes(self.root), label_field, void, fps

    def video(self, folder: Path, name: str) -> Path:
        """Where the video of a sequence lies."""
        return (folder / f"{name}.mp4").resolve()

    def sample(self, folder: Path, name: str) -> fo.Sample:
        """Makes the sample of a sequence, and its video.

        Raises:
            HS2SError: if it cannot be used
        """
        folder.mkdir(parents=True, exist_ok=True)
        images, masks, labels = self._images / name, self._masks / name, self._classes.get(name, {})
        return _import(images, masks, self.video(folder, name), self._field, self._fps, labels, self._void)


import_davis = import_sequences
"""Synonym of :func:`import_sequences`."""


def _parts(root: Path) -> tuple[Path, Path]:
    """The folders of the sequences' frames and masks."""
    found = {part: find_part(root, part) for part in (MASKS, IMAGES)}
    for part, folder in found.items():
        if folder is None:
            inner = [sub.name for sub in sorted(root.glob("*")) if find_part(sub, part)]
            hint = f": give the folder of one of its parts, {', '.join(inner)}" if inner else ""
            raise HS2SError(f"There is no folder {root / part}{hint}.")
    return found[IMAGES] or root, found[MASKS] or root


def _classes(root: Path) -> Mapping[str, Mapping[int, str]]:
    """The objects' classes in the data set's ``meta.json``, by sequence and id; a file that cannot be used
    is named."""
    file = root / "meta.json"
    try:
        meta = read_meta(file) if file.is_file() else Meta({}, {})
    except HS2SError as error:
        logger.warning("Not used: %s", error)
        return {}
    if file.is_file() and not meta.classes:
        logger.warning("Not used: %s has no categories.", file)
    return meta.classes


def _import(
    images: Path,
    masks: Path,
    video: Path,
    field: str,
    fps: float,
    labels: Mapping[int, str],
    void: int | None,
) -> fo.Sample:
    from fiftyone_hs2s.tracking import open_frames  # brings torch along
    from fiftyone_hs2s.tracking.folders import MaskFiles

    frames = open_frames(images)
    files = MaskFiles(masks, frames, void)
    _encode(frames, video, fps)
    named = {**files.object_names, **labels}
    about = {"sequence": images.name, **_lost(frames)}
    sample = video_sample(video, _masks(files, frames.size), field, named, **about)
    sample.compute_metadata()
    return sample


def _lost(frames: Frames) -> dict[str, Any]:
    """What a video cannot keep, for exports: names of frames other than 00000, 00001, ...; sides of odd
    length."""
    names = frames.names
    known: dict[str, Any] = {} if names == [f"{i:05}" for i in range(len(names))] else {FRAME_NAMES: names}
    return known | ({FRAME_SIZE: list(frames.size)} if any(side % 2 for side in frames.size) else {})


def _encode(frames: Frames, video: Path, fps: float) -> None:
    with VideoWriter(video, fps, _CRF) as writer:
        for frame in frames:
            writer.write(frame)
        if frames.incomplete:
            raise VideoError(frames.incomplete)


def _masks(files: MaskFiles, size: tuple[int, int]) -> Iterator[tuple[int, dict[int, np.ndarray]]]:
    """The masks by frame number, of the video's size: sides of odd length have been made even."""
    for index in files:
        padding = [(0, side % 2) for side in size]
        yield index + 1, {i: np.pad(mask, padding, "edge") for i, mask in files.masks(index).items()}
