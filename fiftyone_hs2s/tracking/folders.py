"""Tracking from mask files to mask files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from fiftyone_hs2s.errors import HS2SError, MaskError
from fiftyone_hs2s.masks import (
    fit_mask,
    is_label_map,
    list_label_maps,
    object_ids,
    read_label_map,
    split_label_map,
    write_label_map,
)
from fiftyone_hs2s.tracking.frames import Frames
from fiftyone_hs2s.tracking.propagation import track
from fiftyone_hs2s.tracking.tracker import Tracker


class MaskFiles(Mapping[int, dict[int, np.ndarray]]):
    """Prompts that lie in PNG files; a file is read when its masks are asked for.

    Args:
        path: a PNG for the first frame, or a folder of PNGs named as the frames they belong to
        frames: the video

    Raises:
        MaskError: if there is no mask with an object, one belongs to no frame, or does not fit
    """

    def __init__(self, path: str | os.PathLike[str], frames: Frames) -> None:
        path = Path(path)
        self._size = frames.size
        self._files = _match_names(path, frames) if path.is_dir() else {0: path}
        if not any(object_ids(self._read(index)) for index in self._files):
            raise MaskError(
                f"The mask {path} shows no object: an object's pixels have its id, 1, 2, ... (255 means void)."
            )

    def __getitem__(self, index: int) -> dict[int, np.ndarray]:
        return split_label_map(self._read(index))

    def __iter__(self) -> Iterator[int]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def _read(self, index: int) -> np.ndarray:
        path = self._files[index]
        return fit_mask(read_label_map(path), self._size, f"mask {path}")


def _match_names(folder: Path, frames: Frames) -> dict[int, Path]:
    files = list_label_maps(folder)
    if not files:
        raise MaskError(f"The folder {folder} holds no PNG masks.")
    names = frames.names
    index = {name: position for position, name in enumerate(names)}
    lost = [file for name, file in files.items() if name not in index]
    if lost:
        raise MaskError(
            f"The mask {lost[0]} belongs to no frame: masks are named as their frames, {names[0]} to {names[-1]}."
        )
    return {index[name]: file for name, file in files.items()}


def track_to_folder(
    tracker: Tracker,
    frames: Frames,
    prompts: Mapping[int, Mapping[int, np.ndarray]],
    folder: str | os.PathLike[str],
    direction: str = "forward",
    prompts_mode: str = "first",
    on_step: Callable[[], object] = lambda: None,
    overwrite: bool = False,
) -> dict[str, dict[int, float]]:
    """Tracks objects through a video, and writes each frame's label map as an indexed PNG under the frame's name.

    What was written stays if the video breaks off, or the tracking fails.

    Args:
        tracker: it is reset first
        frames: the video
        prompts: masks by frame index and object id
        folder: where to write: one that is there, and may be written to
        direction: as for :func:`track`
        prompts_mode: as for :func:`track`
        on_step: as for :func:`track`
        overwrite: remove the label maps of an earlier run, once the first new one is written

    Returns:
        the confidence of each object on each frame, by the frame's name, in the order of the frames

    Raises:
        HS2SError: as :func:`track`, and if there are other pictures among the label maps to be removed: then none is
    """
    folder = Path(folder)
    old = set(_earlier_masks(folder)) if overwrite else set()
    confidence = {}
    for index, tracked in track(tracker, frames, prompts, direction, prompts_mode, on_step):
        file = folder / f"{frames.name(index)}.png"
        write_label_map(file, tracked.label_map)
        for earlier in old - {file}:
            earlier.unlink()
        old.clear()
        confidence[frames.name(index)] = tracked.confidence
    return dict(reversed(confidence.items())) if direction == "backward" else confidence


def _earlier_masks(folder: Path) -> Iterator[Path]:
    for file in list_label_maps(folder).values():
        if not is_label_map(file):
            raise HS2SError(f"{file} is no label map that was written here: give another folder.")
        yield file
