"""Does again what depends on keyframes that were added or changed, and nothing else."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import uuid4

import fiftyone as fo

from fiftyone_hs2s.dataset.bars import fiftyone_reporting
from fiftyone_hs2s.dataset.claims import Claim, ClaimedError
from fiftyone_hs2s.dataset.database import explained
from fiftyone_hs2s.dataset.fields import check_detections, check_samples
from fiftyone_hs2s.dataset.find_sequences import whole_sequences
from fiftyone_hs2s.dataset.propagate.model import HS2SVideoModel, as_model
from fiftyone_hs2s.dataset.propagate.propagation_report import PropagationReport
from fiftyone_hs2s.dataset.propagate.redo import TrackField, redo_all
from fiftyone_hs2s.dataset.propagate.stretches import stale_stretches
from fiftyone_hs2s.dataset.sequences import LabeledSequence
from fiftyone_hs2s.dataset.skipping import skipping
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.progress import Progress, ProgressOption

logger = logging.getLogger(__name__)


@explained
def repropagate(
    samples: fo.Dataset | fo.DatasetView,
    label_field: str,
    model: HS2SVideoModel | str | None = None,
    *,
    skip_failures: bool = True,
    batch_size: int = 200,
    progress: ProgressOption = None,
) -> PropagationReport:
    """Tracks again what depends on corrected masks: the frames up to the next keyframe of the object on
    either side.

    A keyframe is a mask with ``keyframe`` set, as the App sets it on what a person draws or changes, or one
    that no tracker made. In Python, correct a mask and set ``detection.keyframe = True``, or add a detection
    of the same ``instance`` or ``index``, and call this. The frames between two keyframes are tracked from
    both and blended, each side by its nearness in time and its confidence; those after the last keyframe up
    to where the earlier run went. Only labels that a run of fiftyone-hs2s made of this object are replaced.
    Other objects compete for the pixels, and stay as they are. Where no keyframe is new or changed, nothing
    is tracked.

    Args:
        samples: videos, clips (their whole videos are meant), or images in ordered groups; filters of labels
            are not looked at
        label_field: the frame field with the results and their corrections; ``frames.`` may be left out
        model: a model of :func:`fiftyone_hs2s.load_model`, or its name; None for the default. Its ``adapt``
            is not used
        skip_failures: log a sample that fails and continue with the next one
        batch_size: number of frames whose labels are written at once
        progress: as for :func:`fiftyone_hs2s.propagate`

    Returns:
        what was done; samples that have nothing to do again are ``skipped``

    Raises:
        HS2SError: if the field cannot work, or is gone in the meantime; without ``skip_failures`` also if a
            sample fails
    """
    check_samples(samples)
    name = check_detections(samples, label_field)
    model = as_model(model)
    with fiftyone_reporting(progress) as show, model:
        job = _Job(model, name, batch_size, show)
        return job.run(whole_sequences(samples), skip_failures)


@dataclass
class _Job:
    """One call of :func:`repropagate`, which documents the fields."""

    model: HS2SVideoModel
    name: str
    batch_size: int
    show: Callable[[Progress], Any]
    run_id: str = field(default_factory=lambda: uuid4().hex)
    report: PropagationReport = field(default_factory=PropagationReport)

    def run(self, sequences: list[LabeledSequence], skip_failures: bool) -> PropagationReport:
        for number, sequence in enumerate(sequences):
            self.show(Progress(number, len(sequences)))
            with skipping(sequence, self.report.failed, skip_failures, logger, traceback=True):
                try:
                    with Claim(sequence.dataset, f"{sequence.owner} in the field {self.name!r}") as claim:
                        self._do(sequence, claim, partial(self._show, number, len(sequences)))
                except ClaimedError as error:
                    self.report.claimed[sequence.name] = str(error)
        self.show(Progress(len(sequences), len(sequences)))
        logger.info("Propagated corrections in %s: %s", self.name, self.report)
        return self.report

    def _show(self, number: int, total: int, within: Progress) -> None:
        self.show(Progress(number, total, within=within))

    def _do(self, sequence: LabeledSequence, claim: Claim, show: Callable[[Progress], Any]) -> None:
        labels = TrackField(sequence, self.name, self.batch_size)
        tracks = labels.tracks()
        if not any(track.keyframes for track in tracks.values()):
            raise HS2SError(
                f"field {self.name!r}: no frame has a keyframe: correct a mask and set its `keyframe`, or run"
                " propagate() first"
            )
        frames = sequence.open()
        todo = stale_stretches(tracks, len(frames))
        if not todo:
            self.report.skipped.append(sequence.name)
            return
        self.report.frames += redo_all(self.model, frames, labels, todo, tracks, self.run_id, claim, show)
        self.report.complete.append(sequence.name)
