"""COCO and YouTube-VIS: one JSON file with run-length encoded masks. Needs pycocotools, the extra
``export``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.files import new_folder, write_text
from fiftyone_hs2s.track_files.label_map_folders import write_images
from fiftyone_hs2s.track_files.tracks import Tracks, TrackWriter, label_ids

Entry = dict[str, Any]


def encode(mask: np.ndarray) -> Entry:
    """A mask as COCO's compressed RLE, with text for its counts.

    Args:
        mask: bool (H, W)

    Raises:
        HS2SError: if pycocotools is not installed
    """
    coco = _pycocotools()
    rle = coco.encode(np.asfortranarray(mask, np.uint8))
    return {"size": [int(side) for side in rle["size"]], "counts": rle["counts"].decode("ascii")}


def box(mask: np.ndarray) -> list[float]:
    """The bounding box of a mask that is not empty: left, top, width, height in pixels."""
    y, x = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return [float(x[0]), float(y[0]), float(x[-1] - x[0] + 1), float(y[-1] - y[0] + 1)]


def _pycocotools() -> Any:
    try:
        from pycocotools import mask
    except ImportError as error:
        raise HS2SError("this format needs pycocotools: pip install 'fiftyone-hs2s[export]'") from error
    return mask


@dataclass
class _JSONWriter(TrackWriter):
    """One file for all sequences; with ``media`` also ``data/<sequence>/<frame>.jpg``."""

    file: ClassVar[str] = "labels.json"
    found: list[tuple[int, Tracks, list[int], list[Entry]]] = field(default_factory=list)
    """Number, tracks, indices of the exported frames, and annotations of each sequence."""

    def __post_init__(self) -> None:
        _pycocotools()
        self.check_free(self.folder / self.file)

    def add(self, tracks: Tracks) -> int:
        indices: list[int] = []
        annotations = list(self.annotations(tracks, indices))
        if not indices:
            raise HS2SError(f"{tracks.name} has no labeled frame to export")
        if self.media:
            self.check_free(self.folder / "data" / tracks.name)
            with new_folder(self.folder / "data" / tracks.name) as folder:
                write_images(folder, tracks, indices)
        self.found.append((len(self.found) + 1, tracks, indices, annotations))
        return len(indices)

    def annotations(self, tracks: Tracks, indices: list[int]) -> Iterator[Entry]:
        """The annotations of a sequence; the indices of its frames are appended to ``indices``."""
        raise NotImplementedError

    def content(self, classes: Mapping[str, int]) -> Entry:
        """What the file says beside ``info`` and ``categories``."""
        raise NotImplementedError

    def close(self) -> int:
        classes = label_ids(label for _, tracks, _, _ in self.found for label in tracks.labels.values())
        data = {
            "info": {"description": "Exported by fiftyone-hs2s"},
            "licenses": [],
            "categories": [{"id": i, "name": name, "supercategory": "object"} for name, i in classes.items()],
            **self.content(classes),
        }
        for number, annotation in enumerate(data["annotations"], start=1):
            annotation["id"] = number
        write_text(self.folder / self.file, json.dumps(data))
        return 0


def _file_names(tracks: Tracks, indices: list[int]) -> list[str]:
    return [f"{tracks.name}/{tracks.frames[index]}.jpg" for index in indices]


@dataclass
class CocoWriter(_JSONWriter):
    """COCO instances: an image for each frame; ``track_id`` of an annotation is the object's id in its
    video."""

    def annotations(self, tracks: Tracks, indices: list[int]) -> Iterator[Entry]:
        for index, masks in tracks.masks():
            indices.append(index)
            for object_id, mask in masks.items():
                if mask.any():
                    area = float(np.count_nonzero(mask))
                    shape = {"segmentation": encode(mask), "area": area, "bbox": box(mask), "iscrowd": 0}
                    yield {"frame": index, "track_id": object_id, **shape}

    def content(self, classes: Mapping[str, int]) -> Entry:
        images: list[Entry] = []
        annotations: list[Entry] = []
        for number, tracks, indices, found in self.found:
            height, width = tracks.size
            ids = {index: len(images) + place for place, index in enumerate(indices, start=1)}
            for name, index in zip(_file_names(tracks, indices), indices, strict=True):
                entry = {"id": ids[index], "file_name": name, "height": height, "width": width}
                images.append(entry | {"video_id": number, "frame_id": index})
            for annotation in found:
                about = {"image_id": ids[annotation.pop("frame")], "video_id": number}
                annotations.append(
                    annotation | about | {"category_id": classes[tracks.labels[annotation["track_id"]]]}
                )
        videos = [{"id": number, "name": tracks.name} for number, tracks, _, _ in self.found]
        return {"videos": videos, "images": images, "annotations": annotations}


@dataclass
class YouTubeVISWriter(_JSONWriter):
    """YouTube-VIS: an annotation for each object, with a mask for each exported frame, or none where it is
    hidden."""

    file: ClassVar[str] = "instances.json"

    def annotations(self, tracks: Tracks, indices: list[int]) -> Iterator[Entry]:
        shown: dict[int, dict[int, Entry]] = {i: {} for i in tracks.labels}
        for index, masks in tracks.masks():
            for object_id, mask in masks.items():
                if mask.any():
                    area = float(np.count_nonzero(mask))
                    entry = {"segmentations": encode(mask), "bboxes": box(mask), "areas": area}
                    shown[object_id][len(indices)] = entry
            indices.append(index)
        for object_id, found in shown.items():
            columns = {
                name: [found.get(place, {}).get(name) for place in range(len(indices))]
                for name in ("segmentations", "bboxes", "areas")
            }
            if found:
                yield {"track_id": object_id, "iscrowd": 0, **columns}
            else:
                self.note(tracks.name, f"object {object_id} shows on none of the exported frames: left out")

    def content(self, classes: Mapping[str, int]) -> Entry:
        videos, annotations = [], []
        for number, tracks, indices, found in self.found:
            shape = {"height": tracks.size[0], "width": tracks.size[1], "length": len(indices)}
            videos.append(
                {"id": number, "name": tracks.name, "file_names": _file_names(tracks, indices), **shape}
            )
            for annotation in found:
                about = {"video_id": number, "category_id": classes[tracks.labels[annotation["track_id"]]]}
                annotations.append(annotation | about | shape)
        return {"videos": videos, "annotations": annotations}
