"""Detections with masks as ``Segmentation`` labels: one mask a frame, whose values are the objects' ids."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import fiftyone as fo
from PIL import Image

from fiftyone_hs2s.dataset.bars import fiftyone_reporting
from fiftyone_hs2s.dataset.compat import Samples, is_image_groups, root_dataset
from fiftyone_hs2s.dataset.database import explained
from fiftyone_hs2s.dataset.export.export_tracks import ExportReport
from fiftyone_hs2s.dataset.export.track_source import number_objects, open_tracks, sequence_names
from fiftyone_hs2s.dataset.fields import check_field
from fiftyone_hs2s.dataset.find_sequences import find_sequences
from fiftyone_hs2s.dataset.frame_paths import field_name
from fiftyone_hs2s.dataset.sample_views import as_view
from fiftyone_hs2s.dataset.sequences import LabeledSequence
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.files import PathLike, new_folder, prepare_folder
from fiftyone_hs2s.progress import ProgressOption, counted

logger = logging.getLogger(__name__)

_BLOCK = 100
"""Frames whose masks are written at once."""


@explained
def to_segmentations(
    samples: Samples | fo.Sample,
    label_field: str,
    segmentation_field: str,
    output_dir: PathLike | None = None,
    *,
    renumber: bool = False,
    overwrite: bool = False,
    progress: ProgressOption = None,
) -> ExportReport:
    """Writes the masks of each frame as one ``Segmentation``, in the database or, by ``mask_path``, in PNG
    files.

    Pixels have the ids that :func:`export_tracks` gives; where objects overlap, the smaller one is on top.
    Frames without labels get none. To have the masks of the detections themselves in files, FiftyOne's
    ``fiftyone.utils.labels.export_segmentations(dataset, "frames.<label_field>", output_dir)`` moves them
    there.

    Args:
        samples: videos, clips, images in dynamic groups, or one sample
        label_field: the field with the masks; ``frames.`` may be left out
        segmentation_field: the field for the segmentations, made if there is none
        output_dir: folder for ``<sequence>/<frame>.png``, 8-bit grayscale, 16-bit for ids above 255; None for
            masks in the database
        renumber: whether to number objects from 1 whatever their index
        overwrite: whether files in ``output_dir`` may be replaced
        progress: as in :func:`export_tracks`

    Returns:
        what was written

    Raises:
        HS2SError: if a field or the folder is unusable, or nothing could be written
    """
    samples = as_view(samples)
    name, field = check_field(samples, label_field, "label"), field_name(segmentation_field)
    _add_field(samples, field)
    folder = None if output_dir is None else Path(output_dir).resolve()
    if folder:
        prepare_folder(folder, "choose another output_dir")
    task, report = _Task(name, field, folder, renumber, overwrite), ExportReport(folder)
    sequences = find_sequences(samples)
    with fiftyone_reporting(progress) as told:
        named = zip(sequences, sequence_names(sequences), strict=True)
        for sequence, sequence_name in counted(named, len(sequences), told):
            try:
                report.frames += task.write(sequence, sequence_name, report)
                report.sequences.append(sequence_name)
            except HS2SError as error:
                logger.warning("No segmentations: %s", error)
                report.problems.append({"sample_id": sequence.sample_id, "message": str(error)})
    if not report.sequences:
        raise HS2SError(
            f"nothing could be written: {report.problems[0]['message'] if report.problems else 'no samples'}"
        )
    return report


def _add_field(samples: Samples, field: str) -> None:
    dataset, groups = root_dataset(samples), is_image_groups(samples)
    known = (dataset.get_field_schema() if groups else dataset.get_frame_field_schema() or {}).get(field)
    if known is not None and getattr(known, "document_type", None) is not fo.Segmentation:
        raise HS2SError(f"the field {field!r} holds something other than Segmentation: choose another name")
    if not field.isidentifier():
        raise HS2SError(f"{field!r} cannot be a field name: use letters, digits and underscores")
    add = dataset.add_sample_field if groups else dataset.add_frame_field
    add(field, fo.EmbeddedDocumentField, embedded_doc_type=fo.Segmentation)


@dataclass(frozen=True)
class _Task:
    """What :func:`to_segmentations` does with each sequence."""

    label_field: str
    field: str
    folder: Path | None
    renumber: bool
    overwrite: bool

    def write(self, sequence: LabeledSequence, name: str, report: ExportReport) -> int:
        """Writes a sequence; the number of frames."""
        numbering = number_objects(sequence, self.label_field, self.renumber)
        tracks = open_tracks(sequence, self.label_field, name, numbering, crop=False)
        place = self.folder / name if self.folder else None
        if place and place.exists() and not self.overwrite:
            raise HS2SError(f"{place} exists already: give another output_dir, or overwrite=True")
        labels: dict[int, fo.Segmentation] = {}
        overlaps = count = 0
        with new_folder(place) if place else nullcontext() as part:
            for index, masks in tracks.masks():
                label_map, claimed = tracks.label_map(masks)
                overlaps, count = overlaps + (claimed > 0), count + 1
                if place and part:
                    Image.fromarray(label_map).save(part / f"{tracks.frames[index]}.png")
                    labels[index] = fo.Segmentation(mask_path=str(place / f"{tracks.frames[index]}.png"))
                    continue
                labels[index] = fo.Segmentation(mask=label_map)
                if len(labels) == _BLOCK:
                    sequence.write(self.field, labels)
                    labels = {}
        sequence.write(self.field, labels)
        if numbering.note:
            report.note(sequence, name, numbering.note)
        if overlaps:
            report.note(sequence, name, f"objects overlap on {overlaps} frames: the smaller is on top")
        return count
