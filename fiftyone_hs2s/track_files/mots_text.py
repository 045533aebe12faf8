"""The text files of MOTS: a line for each object and frame. Needs pycocotools, the extra ``export``."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.files import write_text
from fiftyone_hs2s.track_files.rle_json import encode
from fiftyone_hs2s.track_files.tracks import Tracks, TrackWriter, label_ids

CLASSES = {"car": 1, "pedestrian": 2, "person": 2, "ignore": 10}
"""The classes of MOTS; others are numbered on, and only some tools take them."""
_LARGEST = 999


@dataclass
class MotsWriter(TrackWriter):
    """MOTS: ``<sequence>.txt`` with lines ``frame object class height width rle``.

    Frames count from 0. The object's number is 1000 times its class plus its id, as MOTS has it, and no pixel
    belongs to two objects. ``classes.txt`` says what the classes are, ``sequences.seqmap`` how long the
    sequences are.
    """

    lengths: dict[str, int] = field(default_factory=dict)
    classes: dict[str, int] = field(default_factory=lambda: dict(CLASSES))

    def add(self, tracks: Tracks) -> int:
        file = self.folder / f"{tracks.name}.txt"
        self.check_free(file)
        if (largest := max(tracks.labels, default=0)) > _LARGEST:
            raise HS2SError(
                f"{tracks.name} has the id {largest}, and MOTS takes up to {_LARGEST}: use renumber=True"
            )
        self.classes = label_ids(tracks.labels.values(), self.classes)
        lines, count, overlaps = [], 0, 0
        for index, masks in tracks.masks():
            label_map, claimed = tracks.label_map(masks)
            lines += [
                self._line(tracks, index, int(i), label_map == i) for i in np.unique(label_map[label_map > 0])
            ]
            count, overlaps = count + 1, overlaps + (claimed > 0)
        if not count:
            raise HS2SError(f"{tracks.name} has no labeled frame to export")
        write_text(file, "".join(lines))
        self.note_overlap(tracks.name, overlaps)
        if others := sorted({*tracks.labels.values()} - CLASSES.keys()):
            self.note(
                tracks.name, f"MOTS itself has only cars and pedestrians; numbered on: {', '.join(others)}"
            )
        self.lengths[tracks.name] = len(tracks.frames)
        return count

    def _line(self, tracks: Tracks, index: int, object_id: int, mask: np.ndarray) -> str:
        kind = self.classes[tracks.labels[object_id]]
        height, width = tracks.size
        return f"{index} {kind * 1000 + object_id} {kind} {height} {width} {encode(mask)['counts']}\n"

    def close(self) -> int:
        spans = (f"{name} empty 000000 {max(length - 1, 0):06}\n" for name, length in self.lengths.items())
        write_text(self.folder / "sequences.seqmap", "".join(spans))
        known = sorted(self.classes.items(), key=lambda item: item[1])
        write_text(self.folder / "classes.txt", "".join(f"{number} {name}\n" for name, number in known))
        return 0
