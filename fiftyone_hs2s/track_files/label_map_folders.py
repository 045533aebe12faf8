"""Folders of masks as DAVIS, YouTube-VOS and SA-V have them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.files import new_folder, write_text
from fiftyone_hs2s.mask_files.layouts import IMAGES, MASKS
from fiftyone_hs2s.masks import write_label_map
from fiftyone_hs2s.track_files.tracks import Masks, Tracks, TrackWriter

_JPEG_QUALITY = 95


@dataclass
class _FolderWriter(TrackWriter):
    """``Annotations/<sequence>`` with masks, and with ``media`` ``JPEGImages/<sequence>/<frame>.jpg``."""

    resolution: ClassVar[str] = ""
    """The folder in which the sequences lie."""
    sequences: dict[str, Tracks] = field(default_factory=dict)

    def add(self, tracks: Tracks) -> int:
        places = {part: self.folder / part / self.resolution / tracks.name for part in (MASKS, IMAGES)}
        self.check_free(*places.values())
        with ExitStack() as stack:
            masks = stack.enter_context(new_folder(places[MASKS]))
            written = self.write_masks(masks, tracks)
            if not written:
                raise HS2SError(f"{tracks.name} has no labeled frame to export")
            if self.media:
                images = stack.enter_context(new_folder(places[IMAGES]))
                write_images(images, tracks, written)
        self.sequences[tracks.name] = tracks
        return len(written)

    def write_masks(self, folder: Path, tracks: Tracks) -> list[int]:
        """Writes the masks of a sequence; the indices of the frames."""
        written, overlaps = [], 0
        for index, masks in tracks.masks():
            label_map, claimed = tracks.label_map(masks)
            write_label_map(folder / f"{tracks.frames[index]}.png", label_map)
            overlaps += claimed > 0
            self.seen(tracks, index, np.unique(label_map[label_map > 0]).tolist())
            written.append(index)
        self.note_overlap(tracks.name, overlaps)
        if tracks.dtype is np.uint16:
            self.note(
                tracks.name,
                "ids above 254 take 16-bit PNGs without a palette: renumber=True has indexed ones",
            )
        return written

    def seen(self, tracks: Tracks, index: int, ids: Iterable[int]) -> None:
        """Takes down which objects a frame shows."""


def write_images(folder: Path, tracks: Tracks, indices: Iterable[int]) -> None:
    """Writes frames of a sequence as JPEG files.

    Args:
        folder: where to
        tracks: the sequence
        indices: of the frames

    Raises:
        HS2SError: if they cannot be read, or written
    """
    for index, image in tracks.kept_images({*indices}):
        _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        (folder / f"{tracks.frames[index]}.jpg").write_bytes(data.tobytes())


@dataclass
class DavisWriter(_FolderWriter):
    """The layout of DAVIS 2017, with the folder ``480p`` that its tools look into, whatever the frames' size.

    ``Annotations/480p/<sequence>/<frame>.png`` are indexed PNGs in the palette of DAVIS, and
    ``ImageSets/2017/<split>.txt`` lists the sequences.
    """

    resolution: ClassVar[str] = "480p"
    split: str = "val"

    def close(self) -> int:
        lists = self.folder / "ImageSets" / "2017"
        lists.mkdir(parents=True, exist_ok=True)
        write_text(lists / f"{self.split}.txt", "".join(f"{name}\n" for name in self.sequences))
        return 0


@dataclass
class YouTubeVOSWriter(_FolderWriter):
    """The layout of YouTube-VOS: ``meta.json`` says what the objects are and which frames show them."""

    shown: dict[str, dict[int, list[str]]] = field(default_factory=dict)

    def seen(self, tracks: Tracks, index: int, ids: Iterable[int]) -> None:
        for object_id in ids:
            self.shown.setdefault(tracks.name, {}).setdefault(object_id, []).append(tracks.frames[index])

    def add(self, tracks: Tracks) -> int:
        self.shown.pop(tracks.name, None)
        count = super().add(tracks)
        if lost := [i for i in tracks.labels if i not in self.shown.get(tracks.name, {})]:
            ids = ", ".join(map(str, lost))
            self.note(
                tracks.name, f"objects that show on none of the exported frames are not in meta.json: {ids}"
            )
        return count

    def close(self) -> int:
        videos = {name: {"objects": self._objects(tracks)} for name, tracks in self.sequences.items()}
        write_text(self.folder / "meta.json", json.dumps({"videos": videos}, indent=1))
        return 0

    def _objects(self, tracks: Tracks) -> dict[str, Any]:
        shown = sorted(self.shown.get(tracks.name, {}).items())
        return {str(i): {"category": tracks.labels[i], "frames": frames} for i, frames in shown}


@dataclass
class SAVWriter(_FolderWriter):
    """The layout of SA-V: a folder of PNGs for each object, which may overlap others.

    Object 1 is in the folder ``001``; each has a file for every exported frame, so that the frames stay
    known.
    """

    def write_masks(self, folder: Path, tracks: Tracks) -> list[int]:
        written = []
        for index, masks in tracks.masks():
            for object_id in tracks.labels:
                place = folder / f"{object_id:03}"
                place.mkdir(exist_ok=True)
                write_label_map(place / f"{tracks.frames[index]}.png", _layer(masks, object_id, tracks.size))
            written.append(index)
        return written


def _layer(masks: Masks, object_id: int, size: tuple[int, int]) -> np.ndarray:
    return masks[object_id].astype(np.uint8) if object_id in masks else np.zeros(size, np.uint8)
