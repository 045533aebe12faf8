"""CVAT for video 1.1: a track of polygons for each object."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

import numpy as np

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.files import new_file
from fiftyone_hs2s.track_files.polygons import Polygon, mask_polygons
from fiftyone_hs2s.track_files.tracks import Tracks, TrackWriter
from fiftyone_hs2s.video_writer import VideoWriter

OBJECT = "object"
"""The attribute of a polygon that holds its object's id: an object in several parts has a track for each."""
_CRF = 12


@dataclass
class CvatWriter(TrackWriter):
    """CVAT for video: ``labels/<sequence>.xml``, and with ``media`` the video ``data/<sequence>.mp4``.

    Each exported frame is a keyframe, and between them nothing is interpolated: CVAT hides an object from the
    frame after its last polygon on. The track of an object's largest part has the object's id; those of
    further parts are numbered on. Filled, the polygons (through the centers of pixels) have exactly the
    pixels of the mask.
    """

    def add(self, tracks: Tracks) -> int:
        file, video = (
            self.folder / "labels" / f"{tracks.name}.xml",
            self.folder / "data" / f"{tracks.name}.mp4",
        )
        self.check_free(file, video)
        parts: dict[tuple[int, int], dict[int, Polygon]] = {}
        count = 0
        for index, masks in tracks.masks():
            count += 1
            for object_id, mask in masks.items():
                for place, polygon in enumerate(mask_polygons(mask)):
                    parts.setdefault((object_id, place), {})[index] = polygon
        if not count:
            raise HS2SError(f"{tracks.name} has no labeled frame to export")
        if several := sorted({object_id for object_id, place in parts if place}):
            ids = ", ".join(map(str, several))
            self.note(
                tracks.name, f"objects in several parts have a track for each, with one {OBJECT!r}: {ids}"
            )
        for path in (file, video) if self.media else (file,):
            path.parent.mkdir(parents=True, exist_ok=True)
        if self.media:
            _write_video(video, tracks)
        with new_file(file) as part:
            ElementTree.ElementTree(_document(tracks, parts)).write(part, "utf-8", xml_declaration=True)
        return count


def _document(tracks: Tracks, parts: dict[tuple[int, int], dict[int, Polygon]]) -> Element:
    root = Element("annotations")
    SubElement(root, "version").text = "1.1"
    task = SubElement(SubElement(root, "meta"), "task")
    length = str(len(tracks.frames))
    for name, text in {"name": tracks.name, "size": length, "mode": "interpolation"}.items():
        SubElement(task, name).text = text
    labels = SubElement(task, "labels")
    for name in sorted({*tracks.labels.values()}):
        label = SubElement(labels, "label")
        SubElement(label, "name").text = name
        attribute = SubElement(SubElement(label, "attributes"), "attribute")
        limits = f"0\n{max(tracks.labels)}\n1"
        for key, text in {
            "name": OBJECT,
            "mutable": "False",
            "input_type": "number",
            "values": limits,
        }.items():
            SubElement(attribute, key).text = text
    size = SubElement(task, "original_size")
    SubElement(size, "width").text, SubElement(size, "height").text = str(tracks.size[1]), str(tracks.size[0])
    following = max(tracks.labels, default=0)
    for (object_id, place), polygons in sorted(parts.items(), key=lambda item: (item[0][1] > 0, item[0])):
        following += place > 0
        number = following if place else object_id
        attributes = {"id": str(number), "label": tracks.labels[object_id], "source": "auto"}
        _add_polygons(SubElement(root, "track", attributes), object_id, polygons, tracks)
    return root


def _add_polygons(track: Element, object_id: int, polygons: dict[int, Polygon], tracks: Tracks) -> None:
    for index, polygon in polygons.items():
        _add_polygon(track, object_id, index, polygon, outside=False)
        if index + 1 not in polygons and index + 1 < len(tracks.frames):
            _add_polygon(track, object_id, index + 1, polygon, outside=True)


def _add_polygon(track: Element, object_id: int, index: int, polygon: Polygon, outside: bool) -> None:
    points = ";".join(f"{x},{y}" for x, y in _three(polygon).tolist())
    state = {"outside": str(int(outside)), "occluded": "0", "keyframe": "1"}
    shape = SubElement(track, "polygon", {"frame": str(index), "points": points, "z_order": "0", **state})
    SubElement(shape, "attribute", {"name": OBJECT}).text = str(object_id)


def _three(polygon: Polygon) -> Polygon:
    """A polygon of at least three points, which CVAT asks for."""
    return np.concatenate([polygon, *[polygon[-1:]] * (3 - len(polygon))])


def _write_video(file: Path, tracks: Tracks) -> None:
    if tracks.video is not None and Path(tracks.video).suffix.lower() == ".mp4":
        with new_file(file) as part:
            shutil.copyfile(os.fspath(tracks.video), part)
        return
    with VideoWriter(file, tracks.fps, _CRF) as writer:
        for image in tracks.images() if tracks.images else ():
            writer.write(image)
