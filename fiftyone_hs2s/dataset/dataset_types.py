"""Layouts of data sets as FiftyOne's dataset types: ``Dataset.from_dir()`` reads them, ``export()`` writes
them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import fiftyone as fo
import fiftyone.types as fot
import fiftyone.utils.data as foud

from fiftyone_hs2s.dataset.compat import Samples
from fiftyone_hs2s.dataset.export.export_tracks import ExportReport, export_tracks
from fiftyone_hs2s.dataset.fields import detections_fields
from fiftyone_hs2s.dataset.importing import SequenceFolders
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.files import PathLike
from fiftyone_hs2s.progress import ProgressOption

logger = logging.getLogger(__name__)


class SequenceImporter(foud.GenericSampleDatasetImporter):
    """Reads sequences in the layout of DAVIS, YouTube-VOS or SA-V, as :func:`import_sequences` does.

    Args:
        dataset_dir: the data set's folder
        sequences: names of those to import; None for all, or those of the split
        split: a list in the data set's ``ImageSets`` such as ``val``, or a text file
        field: the frame field for the masks; FiftyOne keeps ``label_field`` from such importers
        void: the value of pixels that belong to no object in 16-bit masks
        fps: frames per second
        videos: folder for the videos that are made of the frames; by default one in FiftyOne's folder for
            datasets
        shuffle: whether to import the sequences in another order
        seed: of that order
        max_samples: how many to import at most
    """

    def __init__(
        self,
        dataset_dir: PathLike | None = None,
        sequences: Sequence[str] | None = None,
        split: str | None = None,
        field: str = "ground_truth",
        void: int | None = None,
        fps: float = 24,
        videos: PathLike | None = None,
        shuffle: bool = False,
        seed: int | None = None,
        max_samples: int | None = None,
    ) -> None:
        super().__init__(dataset_dir=dataset_dir, shuffle=shuffle, seed=seed, max_samples=max_samples)
        self._options = (sequences, split, field, void, fps)
        self._videos = Path(videos or Path(fo.config.default_dataset_dir) / "sequences")

    def setup(self) -> None:
        """Finds the sequences: an error of the constructor would be hidden by one of FiftyOne's.

        Raises:
            HS2SError: if there are none
        """
        if self.dataset_dir is None:
            raise HS2SError("there is nothing to import: give the dataset_dir")
        self._found = SequenceFolders(self.dataset_dir, *self._options)
        self._names: list[str] = list(self._preprocess_list(self._found.names))
        self._samples = self._read()

    @property
    def has_dataset_info(self) -> bool:
        return False

    @property
    def has_sample_field_schema(self) -> bool:
        return False

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> SequenceImporter:
        self._samples = self._read()
        return self

    def __next__(self) -> fo.Sample:
        return next(self._samples)

    def _read(self) -> Iterator[fo.Sample]:
        errors: list[HS2SError] = []
        for name in self._names:
            try:
                sample = self._found.sample(self._videos / self._found.root.name, name)
            except HS2SError as error:
                logger.warning("Skipped the sequence %s: %s", name, error)
                errors.append(error)
                continue
            yield sample
        if errors and len(errors) == len(self._names):
            raise HS2SError(f"no sequence of {self._found.root} could be imported: {errors[0]}") from errors[
                0
            ]


class TrackExporter(foud.BatchDatasetExporter):
    """Exports masks as :func:`export_tracks` does: ``dataset.export(dataset_exporter=TrackExporter(...))``.

    Args:
        export_dir: the folder
        field: the field with the masks; by default the only one. FiftyOne keeps ``label_field`` from such
            exporters
        format: see :func:`export_tracks`
        every: as there, and so are fill, renumber, export_media, split and like
    """

    format: ClassVar[str] = "davis"

    def __init__(  # FiftyOne passes on what is named here
        self,
        export_dir: PathLike | None = None,
        field: str | None = None,
        format: str | None = None,
        every: int = 1,
        fill: bool | None = None,
        renumber: bool = False,
        export_media: bool | str | None = None,
        split: str | None = None,
        like: PathLike | None = None,
    ) -> None:
        super().__init__(export_dir=export_dir)
        self._field, self._format = field, format or type(self).format
        self._options: dict[str, Any] = {"every": every, "fill": fill, "renumber": renumber, "split": split}
        self._options |= {"export_media": bool(export_media), "like": like}
        self.report: ExportReport | None = None

    def export_samples(self, sample_collection: Samples, progress: ProgressOption = None) -> None:
        """Exports the samples; the outcome is in ``report``."""
        if self.export_dir is None:
            raise HS2SError("there is no folder to export to: give the export_dir")
        field = self._field or _only_field(sample_collection)
        folder, options = self.export_dir, {"progress": progress, **self._options}
        self.report = export_tracks(sample_collection, field, folder, self._format, **options)


def _only_field(samples: Samples) -> str:
    fields = detections_fields(samples)
    if len(fields) != 1:
        known = f"one of {', '.join(fields)}" if fields else "one with masks"
        raise HS2SError(f"which field is to be exported? Give field=, {known}")
    return fields[0]


class DAVISExporter(TrackExporter):
    """Exports the layout of DAVIS."""


class YouTubeVOSExporter(TrackExporter):
    """Exports the layout of YouTube-VOS."""

    format = "youtube-vos"


class SAVExporter(TrackExporter):
    """Exports the layout of SA-V."""

    format = "sa-v"


class _SequenceDataset(fot.Dataset):
    exporter: ClassVar[type[TrackExporter]] = DAVISExporter

    def get_dataset_importer_cls(self) -> type[SequenceImporter]:
        return SequenceImporter

    def get_dataset_exporter_cls(self) -> type[TrackExporter]:
        return self.exporter


class DAVISDataset(_SequenceDataset):
    """Videos with masks in the layout of DAVIS."""


class YouTubeVOSDataset(_SequenceDataset):
    """Videos with masks in the layout of YouTube-VOS."""

    exporter = YouTubeVOSExporter


class SAVDataset(_SequenceDataset):
    """Videos with masks in the layout of SA-V."""

    exporter = SAVExporter
