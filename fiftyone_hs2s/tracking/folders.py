"""Tracking from mask files to mask files."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from fiftyone_hs2s.errors import HS2SError, MaskError
from fiftyone_hs2s.files import PathLike
from fiftyone_hs2s.mask_files.layouts import match_frames
from fiftyone_hs2s.mask_files.reading import read_label_map
from fiftyone_hs2s.mask_files.sequence_masks import MaskSequence
from fiftyone_hs2s.masks import fit_mask, is_label_map, list_label_maps, split_label_map, write_label_map
from fiftyone_hs2s.tracking.frames import Frames
from fiftyone_hs2s.tracking.prompt_plan import PromptPlan
from fiftyone_hs2s.tracking.propagation import track
from fiftyone_hs2s.tracking.tracker import Tracker

logger = logging.getLogger(__name__)


class MaskFiles(Mapping[int, dict[int, np.ndarray]]):
    """Prompts in PNG files, by the 0-based index of their frame.

    Each file is read once to learn which objects it shows, and when its masks are asked for.

    Args:
        path: a PNG for the first frame; or a folder of PNGs, or of a folder of PNGs for each object, named as
            the frames that they belong to, or with their number if the frames are named by number
        frames: the video
        void: the value of pixels that belong to no object, such as 10000 in KITTI MOTS; 255 in 8 bits needs
            no mention

    Raises:
        MaskError: if there is no mask with an object, one belongs to no frame, or does not fit
    """

    def __init__(self, path: PathLike, frames: Frames, void: int | None = None) -> None:
        path = Path(path)
        self._size, self._path, self._void = frames.size, path, void
        self._sequence = MaskSequence(path, void) if path.is_dir() else None
        self._names = {0: ""} if self._sequence is None else _match_names(self._sequence, frames)
        self._ids: dict[int, list[int]] = {}
        if not any(self._ids_of(index) for index in self):
            raise MaskError(
                f"The mask {path} shows no object: an object's pixels have its id, 1, 2, ... (255 means"
                " void)."
            )
        if self._sequence and self._sequence.note:
            logger.warning("The masks in %s: %s", path, self._sequence.note)

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self._names))

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: int) -> dict[int, np.ndarray]:
        return self.masks(index)

    def ids(self) -> dict[int, list[int]]:
        """The ids of the objects with pixels, by frame index."""
        return {index: self._ids_of(index) for index in self}

    def _ids_of(self, index: int) -> list[int]:
        if index not in self._ids:
            self._ids[index] = [i for i, mask in self.masks(index).items() if mask.any()]
        return self._ids[index]

    def masks(self, index: int) -> dict[int, np.ndarray]:
        """The bool masks (H, W) of a frame, by object id, of the frame's size.

        Raises:
            MaskError: if a file cannot be read or does not fit
        """
        name = self._names[index]
        if self._sequence:
            masks = self._sequence.masks(name, self._size)
        else:
            found = split_label_map(read_label_map(self._path, self._size, self._void))
            masks = {i: mask for i, mask in found.items() if i != self._void}
        return {i: fit_mask(mask, self._size, f"mask {self._path / name}") for i, mask in masks.items()}

    @property
    def files(self) -> list[Path]:
        """The PNG files."""
        return self._sequence.files() if self._sequence else [self._path]

    @property
    def object_names(self) -> dict[int, str]:
        """Names of the objects by id, where their folders have names that are no numbers."""
        return {
            i: name
            for name, i in (self._sequence.ids if self._sequence else {}).items()
            if not name.isdecimal()
        }


def _match_names(sequence: MaskSequence, frames: Frames) -> dict[int, str]:
    names = frames.names
    places = match_frames(sequence.names, names)
    by_frame: dict[int, str] = {}
    for name, place in places.items():
        if place is None:
            raise MaskError(
                f"The mask {sequence.folder / name}.png belongs to no frame: masks are named as their frames,"
                f" {names[0]} to {names[-1]}{_count_from(names[0])}."
            )
        if place in by_frame:
            raise MaskError(
                f"The masks {by_frame[place]}.png and {name}.png in {sequence.folder} both belong to frame "
                f"{names[place]}: remove one of them."
            )
        by_frame[place] = name
    return by_frame


def _count_from(first: str) -> str:
    return " (or by number alone, from 0)" if first.isdecimal() and int(first) == 0 else ""


def track_to_folder(
    tracker: Tracker,
    frames: Frames,
    plan: PromptPlan,
    folder: PathLike,
    on_step: Callable[[], object] = lambda: None,
    overwrite: bool = False,
    on_cut: Callable[[int], object] = lambda index: None,
) -> dict[str, dict[int, float]]:
    """Tracks objects through a video, and writes each frame's label map as an indexed PNG under the frame's
    name.

    What was written stays if the video ends early or the tracking fails.

    Args:
        tracker: it is reset first
        frames: the video
        plan: of the prompts, see :func:`plan_prompts`
        folder: where to write: one that is there, and may be written to
        on_step: as for :func:`track`
        overwrite: remove the label maps of an earlier run, once the first new one is written
        on_cut: as for :func:`track`

    Returns:
        the confidence of each object on each frame, by the frame's name, in the order of the frames

    Raises:
        HS2SError: as :func:`track`, and if there are other pictures among the label maps to be removed: then
            none is
    """
    folder = Path(folder)
    old = set(_earlier_masks(folder)) if overwrite else set()
    confidence = {}
    for index, tracked in track(tracker, frames, plan, on_step=on_step, on_cut=on_cut):
        file = folder / f"{frames.name(index)}.png"
        write_label_map(file, tracked.label_map)
        for earlier in old - {file}:
            earlier.unlink()
        old.clear()
        confidence[frames.name(index)] = tracked.confidence
    return dict(reversed(confidence.items())) if plan.direction == "backward" else confidence


def _earlier_masks(folder: Path) -> Iterator[Path]:
    for file in list_label_maps(folder).values():
        if not is_label_map(file):
            raise HS2SError(f"{file} is not a label map that was written here: give another folder.")
        yield file
