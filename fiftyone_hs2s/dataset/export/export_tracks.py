"""Exports tracked masks: folders, JSON, text and XML of other tools, zip files of servers, overlay videos."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fiftyone as fo

from fiftyone_hs2s.choices import check_choice
from fiftyone_hs2s.dataset.bars import fiftyone_reporting
from fiftyone_hs2s.dataset.compat import Samples
from fiftyone_hs2s.dataset.database import explained
from fiftyone_hs2s.dataset.export.overlay_videos import OverlayWriter, app_colors
from fiftyone_hs2s.dataset.export.track_source import number_objects, open_tracks, sequence_names
from fiftyone_hs2s.dataset.fields import check_field
from fiftyone_hs2s.dataset.find_sequences import find_sequences
from fiftyone_hs2s.dataset.sample_views import as_view
from fiftyone_hs2s.dataset.sequences import LabeledSequence
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.files import PathLike, prepare_folder
from fiftyone_hs2s.mask_files.server_zip import SERVERS
from fiftyone_hs2s.progress import ProgressOption, counted
from fiftyone_hs2s.track_files.cvat_xml import CvatWriter
from fiftyone_hs2s.track_files.label_map_folders import DavisWriter, SAVWriter, YouTubeVOSWriter
from fiftyone_hs2s.track_files.mots_text import MotsWriter
from fiftyone_hs2s.track_files.rle_json import CocoWriter, YouTubeVISWriter
from fiftyone_hs2s.track_files.server_files import ServerWriter, expected_frames
from fiftyone_hs2s.track_files.tracks import Tracks, TrackWriter

logger = logging.getLogger(__name__)

WRITERS: dict[str, Callable[..., TrackWriter]] = {
    "davis": DavisWriter,
    "youtube-vos": YouTubeVOSWriter,
    "sa-v": SAVWriter,
    "youtube-vis": YouTubeVISWriter,
    "coco": CocoWriter,
    "mots": MotsWriter,
    "cvat": CvatWriter,
    "overlay": OverlayWriter,
}
SERVER_FORMATS = {f"{server}-zip": server for server in SERVERS}
FORMATS = (*WRITERS, *SERVER_FORMATS)
"""The names of the formats."""


@dataclass
class ExportReport:
    """What was exported.

    Attributes:
        folder: where to; None for the database
        sequences: names of the exported sequences
        frames: how many frames they have in the export
        problems: entries with ``sample_id`` and ``message``: samples that could not be exported, and why
        notes: entries alike: what one should know of those that were
    """

    folder: Path | None
    sequences: list[str] = field(default_factory=list)
    frames: int = 0
    problems: list[dict[str, str]] = field(default_factory=list)
    notes: list[dict[str, str]] = field(default_factory=list)

    def __str__(self) -> str:
        left_out = f", {len(self.problems)} not exported" if self.problems else ""
        count = len(self.sequences)
        where = f" in {self.folder}" if self.folder else ""
        return f"{count} sequence{'s' * (count != 1)}, {self.frames} frames{where}{left_out}"

    def note(self, sequence: LabeledSequence, name: str, message: str) -> None:
        """Says and keeps what one should know of a sequence, which is called by the name in the export."""
        logger.warning("Exported %s: %s", name, message)
        self.notes.append({"sample_id": sequence.sample_id, "message": f"{name}: {message}"})


@explained
def export_tracks(
    samples: Samples | fo.Sample,
    label_field: str,
    export_dir: PathLike,
    format: str = "davis",
    *,
    every: int = 1,
    fill: bool | None = None,
    renumber: bool = False,
    export_media: bool = False,
    split: str | None = None,
    like: PathLike | None = None,
    overwrite: bool = False,
    progress: ProgressOption = None,
) -> ExportReport:
    """Exports masks of objects that keep their identity through a video.

    - ``davis``: ``Annotations/480p/<sequence>/<frame>.png``, indexed PNGs in the palette of DAVIS, and
      ``ImageSets/2017/<split>.txt``
    - ``youtube-vos``: ``Annotations/<sequence>/<frame>.png`` and ``meta.json``; every fifth frame with
      ``every=5``
    - ``sa-v``: ``Annotations/<sequence>/<object>/<frame>.png``: objects may overlap
    - ``youtube-vis``: ``instances.json``: a track an annotation, in RLE
    - ``coco``: ``labels.json``: a frame an image, in RLE, with ``track_id``
    - ``mots``: ``<sequence>.txt``, a line for each frame and object, in RLE
    - ``cvat``: ``labels/<sequence>.xml``, CVAT for video 1.1: polygons, a track for each part of an object
    - ``overlay``: ``<sequence>.mp4``, the masks over the frames in the App's colors
    - ``davis2017-zip``: the file that the DAVIS 2017 test-dev server takes; so ``youtube-vos-zip``,
      ``mose-zip`` and ``lvos-zip`` for theirs

    Objects have their ``index`` as id, or that plus 1 where indices start with 0; where they have none, or
    share one, they are numbered from 1. What was changed, or does not fit into a format (objects that overlap
    where a pixel has one object), is said in the report. A sample that cannot be exported is named there and
    left out; only a server's zip is written whole or not at all. ``youtube-vis``, ``coco`` and ``mots`` need
    pycocotools, the extra ``export``.

    Sequences are named by the sample field ``sequence``, as :func:`import_sequences` leaves it, else by the
    video or the images' folder. Frames are named from 00000 on, or as they were imported.

    Args:
        samples: videos, clips, images in dynamic groups, or one sample; the filters of a view hold
        label_field: the field with the masks; ``frames.`` may be left out
        export_dir: the folder, made if there is none
        format: one of the above
        every: export each of so many frames, from the first on
        fill: whether frames without labels are exported as ones without an object. By default they are left
            out, as frames that nobody has annotated, except for servers, which ask for all frames
        renumber: whether to number objects from 1 whatever their index; for formats that only have small
            numbers
        export_media: whether to export the frames as JPEG files, or the videos (``cvat``), too
        split: for ``davis`` the list that names the sequences, ``val`` by default; for servers the one in
            ``like``
        like: for servers, the data set's root: its ``JPEGImages`` say what is asked for, and all of it must
            be there
        overwrite: whether files of an earlier export may be replaced
        progress: whether to show a bar (None: as ``fiftyone.config.show_progress_bars`` says), or a function
            to call instead with a :class:`fiftyone_hs2s.progress.Progress` for each sample

    Returns:
        what was exported

    Raises:
        HS2SError: if the field, the format or the folder is unusable, or nothing can be exported
    """
    samples = as_view(samples)
    name = check_field(samples, label_field, "label")
    options = _writer_options(format, split, like)
    if every < 1:
        raise HS2SError(f"every={every} leaves no frame: give 1 for all frames, 5 for every fifth")
    if format == "overlay":
        options["colors"] = app_colors(samples, name)
    folder = Path(export_dir)
    prepare_folder(folder, "choose another export_dir")
    make = WRITERS.get(format, ServerWriter)
    writer = make(folder, media=export_media, overwrite=overwrite, **options)
    fill = format in SERVER_FORMATS if fill is None else fill
    export = _Export(writer, name, every, fill, renumber, ExportReport(folder))
    sequences = find_sequences(samples)
    with fiftyone_reporting(progress) as report:
        named = zip(sequences, sequence_names(sequences), strict=True)
        for sequence, sequence_name in counted(named, len(sequences), report):
            export.add(sequence, sequence_name)
    return export.finish()


def _writer_options(format: str, split: str | None, like: PathLike | None) -> dict[str, Any]:
    check_choice("format", format, FORMATS)
    if format in SERVER_FORMATS:
        expected = None if like is None else expected_frames(like, split)
        return {"server": SERVER_FORMATS[format], "expected": expected}
    if like is not None:
        raise HS2SError(f"like is for the zip files of servers, not for {format!r}: leave it out")
    if split is not None and format != "davis":
        raise HS2SError(f"the format {format!r} has no splits: leave split out")
    return {} if split is None else {"split": split}


@dataclass
class _Export:
    """One call of :func:`export_tracks`."""

    writer: TrackWriter
    label_field: str
    every: int
    fill: bool
    renumber: bool
    report: ExportReport
    sequences: dict[str, LabeledSequence] = field(default_factory=dict)

    def add(self, sequence: LabeledSequence, name: str) -> None:
        """Exports a sequence; one that cannot be is noted and left out."""
        self.sequences[name] = sequence
        try:
            count = self.writer.add(self._tracks(sequence, name))
        except HS2SError as error:
            logger.warning("Not exported: %s", error)
            self.report.problems.append({"sample_id": sequence.sample_id, "message": str(error)})
            self.writer.notes.pop(name, None)
            return
        self.report.sequences.append(name)
        self.report.frames += count

    def _tracks(self, sequence: LabeledSequence, name: str) -> Tracks:
        try:
            numbering = number_objects(sequence, self.label_field, self.renumber)
        except HS2SError as error:
            raise HS2SError(f"{sequence.name}: {error}") from error
        if not numbering.ids:
            raise HS2SError(
                f"{sequence.name} has no masks in {self.label_field!r}: propagate its masks first"
            )
        tracks = open_tracks(sequence, self.label_field, name, numbering, self.every, self.fill)
        if numbering.note:
            self.writer.note(name, numbering.note)
        return tracks

    def finish(self) -> ExportReport:
        """Writes what is about all sequences.

        Raises:
            HS2SError: if there was none
        """
        report = self.report
        if not report.sequences:
            reason = report.problems[0]["message"] if report.problems else "there are no samples"
            raise HS2SError(f"nothing could be exported: {reason}")
        if report.problems and isinstance(self.writer, ServerWriter) and self.writer.expected is None:
            raise HS2SError(f"a server takes all sequences or none: {report.problems[0]['message']}")
        report.frames += self.writer.close()
        for name, notes in self.writer.notes.items():
            for note in notes:
                report.note(self.sequences[name], name, note)
        return report
