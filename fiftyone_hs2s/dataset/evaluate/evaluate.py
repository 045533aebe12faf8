"""Scores propagated masks in a dataset: a detection evaluation backend of FiftyOne whose numbers are J and
F."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import fiftyone as fo
import fiftyone.core.fields as fof
import fiftyone.core.utils as fou
import fiftyone.utils.eval.detection as foud
import numpy as np

from fiftyone_hs2s.dataset.bars import fiftyone_reporting
from fiftyone_hs2s.dataset.compat import Samples, delete_empty_sidebar_group, root_dataset
from fiftyone_hs2s.dataset.database import explained
from fiftyone_hs2s.dataset.evaluate.evaluation_key import FAILURE_FIELDS, evaluation_key
from fiftyone_hs2s.dataset.evaluate.evaluation_results import PropagationResults, object_rows
from fiftyone_hs2s.dataset.evaluate.evaluation_writer import COUNTS, SCORES, Writer, frame_means, label_scores
from fiftyone_hs2s.dataset.evaluate.scoring import ScoredSequence, pack
from fiftyone_hs2s.dataset.evaluate.workers import score_sequences
from fiftyone_hs2s.dataset.fields import check_field, check_own_truth, check_samples
from fiftyone_hs2s.dataset.find_sequences import find_sequences
from fiftyone_hs2s.dataset.frame_paths import field_name, field_path, frame_path, is_frame_path
from fiftyone_hs2s.dataset.sample_views import all_samples, as_view
from fiftyone_hs2s.dataset.sequences import LabeledSequence
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.metrics import get_protocol, summarize
from fiftyone_hs2s.metrics.first_frame_match import check_match
from fiftyone_hs2s.progress import ProgressOption, counted

logger = logging.getLogger(__name__)

METHOD = "hs2s"
"""Name of the evaluation backend."""

_LABEL_SCORES = ("F", "JF")


@explained
def evaluate_propagation(
    samples: Samples | fo.Sample,
    pred_field: str,
    gt_field: str,
    eval_key: str | None = None,
    protocol: str = "davis2017",
    *,
    match: str = "identity",
    iou: float = 0.5,
    num_workers: int = 1,
    progress: ProgressOption = None,
) -> PropagationResults:
    """Scores predicted masks against ground truth: region similarity J, boundary similarity F, and their mean
    J&F.

    Objects are matched by identity: by ``instance`` if both fields share one, else by ``index``, else by
    ``label``. For predictions that lost it (FiftyOne's SAM 2 numbers objects anew) ``match="first_frame"``
    matches each true object with a predicted one, one to one, by their overlap on the first annotated frame
    that shows the true one; which with which is in the results' ``objects``, and what is doubtful in their
    ``problems``. Only frames with ground truth count, without those that the protocol leaves out. A mask that
    the tracker was given, a first mask or a correction, is no result: :func:`propagate` marks it
    (``keyframe`` of the detection), and all protocols but ``all`` leave the frame out for that object. With
    an ``eval_key`` these are written:

    - on samples ``<key>_J``, ``<key>_F``, ``<key>_JF``: means over frames, then over objects
    - on frames the same names: means over the frame's objects
    - on predicted labels ``<key>_iou`` (which is J), ``<key>_F``, ``<key>_JF``; on both fields' labels
      ``<key>`` (``tp`` where J reaches ``iou``, else ``fp`` or ``fn``), ``<key>_id``, ``<key>_iou``; their
      counts ``<key>_tp``, ``<key>_fp``, ``<key>_fn`` on samples and frames

    and the evaluation is listed with the dataset's others (``dataset.list_evaluations()``, the App's Model
    Evaluation panel). Its ``rename_evaluation()`` and ``delete_evaluation()`` take the fields along.

    What does not count has no value, and MongoDB sorts "no value" below all numbers: ask for bad frames with
    ``match_frames((F("<key>_J") >= 0) & (F("<key>_J") < 0.6))``.

    Args:
        samples: videos, clips, a view on some, one sample, or images in ordered groups (which then are the
            frames)
        pred_field: the frame field with the predictions; ``frames.`` may be left out
        gt_field: the frame field with the ground truth
        eval_key: name of the evaluation, an identifier; None to write nothing
        protocol: ``davis2017``, ``davis2016``, ``youtube-vos`` or ``all``, see
            ``fiftyone_hs2s.metrics.PROTOCOLS``
        match: ``identity`` or ``first_frame``, see above
        iou: from this J on a label counts as found
        num_workers: number of processes; more than one takes some seconds to start, and needs
            ``if __name__ == "__main__":`` in a script that calls this
        progress: whether to show a bar (None: as ``fiftyone.config.show_progress_bars`` says), or a function
            to call instead with a :class:`fiftyone_hs2s.progress.Progress` for each sample

    Returns:
        the results

    Raises:
        HS2SError: if a field or option is unusable, no sample can be scored, or another run is making an
            evaluation of that name
    """
    samples = as_view(samples)
    pred_name, gt_name = (
        check_field(samples, pred_field, "prediction"),
        check_field(samples, gt_field, "ground truth"),
    )
    check_own_truth(pred_field, gt_field)
    _check_key(eval_key)
    config = PropagationEvaluationConfig(
        field_path(samples, pred_name),
        field_path(samples, gt_name),
        iou,
        protocol=get_protocol(protocol).name,
        match=check_match(match),
    )
    method = config.build()
    options = {"progress": progress, "num_workers": num_workers}
    if eval_key is None:
        return method.generate_results(samples, [], None, **options)
    with evaluation_key(method, samples, eval_key) as key:
        results = method.generate_results(samples, [], key, **options)
        method.save_run_results(samples, key, results)
        method.add_fields_to_sidebar_group(samples, key)
    return results


def _check_key(eval_key: str | None) -> None:
    if eval_key is not None and not eval_key.isidentifier():
        raise HS2SError(f"{eval_key!r} cannot name an evaluation: use letters, digits and underscores")


class PropagationEvaluationConfig(foud.DetectionEvaluationConfig):
    """Configures :class:`PropagationEvaluation`.

    Args:
        pred_field: the field with the predictions
        gt_field: the field with the ground truth
        iou: from this J on a label counts as found
        protocol: name of the protocol
        match: how predicted objects are matched with true ones
        **kwargs: what ``evaluate_detections()`` passes to every backend; ``classwise``, ``use_masks`` and
            ``use_boxes`` have no meaning here, since objects are matched as wholes
    """

    def __init__(
        self,
        pred_field: str,
        gt_field: str,
        iou: float = 0.5,
        protocol: str = "davis2017",
        match: str = "identity",
        **kwargs: Any,
    ) -> None:
        kwargs = {
            name: value
            for name, value in kwargs.items()
            if name not in ("classwise", "use_masks", "use_boxes")
        }
        super().__init__(pred_field, gt_field, iou=iou, classwise=False, **kwargs)
        self.protocol = protocol
        self.match = match

    @property
    def method(self) -> str:
        return METHOD


class PropagationEvaluation(foud.DetectionEvaluation):
    """The evaluation backend; also usable as ``evaluate_detections(method=PropagationEvaluationConfig)``."""

    def register_samples(self, samples: Samples, eval_key: str | None, dynamic: bool = True) -> None:
        """Declares the fields, so that the App knows them."""
        super().register_samples(samples, eval_key, dynamic=dynamic)
        if eval_key is None:
            return
        dataset, is_video = root_dataset(samples), is_frame_path(self.config.pred_field)
        for name in SCORES:
            dataset.add_sample_field(f"{eval_key}_{name}", fof.FloatField)
            if is_video:
                dataset.add_frame_field(f"{eval_key}_{name}", fof.FloatField)
        add = dataset.add_frame_field if is_video else dataset.add_sample_field
        for name in _LABEL_SCORES if dynamic else ():
            add(f"{self.pred_field}.detections.{eval_key}_{name}", fof.FloatField)

    def evaluate(self, doc: Any, eval_key: str | None = None) -> list:
        """Matches nothing: a frame alone does not tell which frames count, so ``generate_results`` does it
        all."""
        return []

    def generate_results(
        self,
        samples: Samples,
        matches: list,
        eval_key: str | None = None,
        classes: Sequence[str] | None = None,
        missing: str | None = None,
        progress: ProgressOption = None,
        num_workers: int = 1,
    ) -> PropagationResults:
        """Scores the samples and writes what is found."""
        run = _Run(self, samples, eval_key)
        check_samples(samples)
        sequences = find_sequences(samples)
        with fiftyone_reporting(progress) as report:
            for sequence, scored in counted(run.score(sequences, num_workers), len(sequences), report):
                run.add(sequence, scored)
        run.finish()
        return PropagationResults(
            samples,
            self.config,
            eval_key,
            matches + run.matches,
            run.objects,
            run.series,
            run.problems,
            classes=classes,
            missing=missing,
            backend=self,
        )

    def get_fields(self, samples: Samples, eval_key: str, include_custom_metrics: bool = True) -> list[str]:
        """The paths of all fields that belong to an evaluation."""
        fields = super().get_fields(samples, eval_key, include_custom_metrics=include_custom_metrics)
        return fields + self._own_fields(samples, eval_key)

    def rename(self, samples: Samples, eval_key: str, new_eval_key: str) -> None:
        """Renames the fields, those of ``find_failures()`` too."""
        super().rename(samples, eval_key, new_eval_key)
        dataset = root_dataset(samples)
        names = {f"{eval_key}_{name}": f"{new_eval_key}_{name}" for name in FAILURE_FIELDS}
        present = {old: new for old, new in names.items() if dataset.has_sample_field(old)}
        if present:
            dataset.rename_sample_fields(present)

    def cleanup(self, samples: Samples, eval_key: str) -> None:
        """Deletes the fields, those of ``find_failures()`` too."""
        super().cleanup(samples, eval_key)
        sample_fields, frame_fields = fou.split_frame_fields(self._own_fields(samples, eval_key))
        dataset = root_dataset(samples)
        summary = [
            name
            for name in (f"{eval_key}_{part}" for part in FAILURE_FIELDS)
            if dataset.has_sample_field(name)
        ]
        dataset.delete_sample_fields([*sample_fields, *summary], error_level=2)
        if frame_fields:
            dataset.delete_frame_fields(frame_fields, error_level=2)
        delete_empty_sidebar_group(samples, eval_key)

    def _own_fields(self, samples: Samples, eval_key: str) -> list[str]:
        names = [f"{eval_key}_{name}" for name in SCORES]
        labels = [f"{self.config.pred_field}.detections.{eval_key}_{name}" for name in _LABEL_SCORES]
        frames = [frame_path(name) for name in names] if is_frame_path(self.config.pred_field) else []
        return [*names, *frames, *labels]


@dataclass
class _Run:
    """One call of :meth:`PropagationEvaluation.generate_results`."""

    method: PropagationEvaluation
    samples: Samples
    eval_key: str | None
    matches: list[tuple] = field(default_factory=list)
    objects: list[dict[str, Any]] = field(default_factory=list)
    series: dict[str, dict[str, Any]] = field(default_factory=dict)
    problems: list[dict[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        config = self.method.config
        self._protocol = get_protocol(config.protocol)
        self._truth, self._prediction = (field_name(name) for name in (config.gt_field, config.pred_field))
        self._counts: dict[str, dict[str, int]] = {name: {} for name in COUNTS}
        is_video = is_frame_path(config.pred_field)
        self._writer = (
            Writer(all_samples(self.samples), self.eval_key, self._truth, self._prediction, is_video)
            if self.eval_key
            else None
        )

    def score(
        self, sequences: list[LabeledSequence], num_workers: int
    ) -> Iterator[tuple[LabeledSequence, ScoredSequence | HS2SError]]:
        """See :func:`fiftyone_hs2s.dataset.evaluate.workers.score_sequences`."""
        match = self.method.config.match
        return score_sequences(sequences, self._truth, self._prediction, self._protocol, num_workers, match)

    def add(self, sequence: LabeledSequence, scored: ScoredSequence | HS2SError) -> None:
        """Takes the scores of a sequence; one that cannot be scored is noted and left out."""
        if isinstance(scored, HS2SError):
            logger.warning("Not scored: %s", scored)
            self._note(sequence, str(scored))
            return
        result = summarize({sequence.key: scored.sequence}, self._protocol)
        for problem in [scored.problem, *(problem.message for problem in result.problems)]:
            if problem:
                self._note(sequence, problem)
        self.objects += object_rows(scored, result.sequences[sequence.key], self._protocol)
        self.series[sequence.key] = {
            "sample_id": sequence.sample_id,
            "names": _texts(scored),
            "data": pack(scored.sequence),
        }
        self._add_labels(scored)
        if self._writer:
            for name, values in frame_means(scored, self._protocol).items():
                self._writer.add_frames(name, values)

    def _note(self, sequence: LabeledSequence, message: str) -> None:
        self.problems.append({"sample_id": sequence.sample_id, "message": message})

    def _add_labels(self, scored: ScoredSequence) -> None:
        frames: dict[str, dict[str, int]] = {name: dict.fromkeys(scored.frame_ids, 0) for name in COUNTS}
        sample_id = scored.source.sample_id
        for score in label_scores(scored, self._protocol, self.method.config.iou):
            self.matches += score.matches()
            if self._writer:
                self._writer.add_labels(score)
            for status in filter(None, {*score.statuses()}):
                frames[status][score.frame_id] += 1
        for name, counts in frames.items():
            self._counts[name][sample_id] = self._counts[name].get(sample_id, 0) + sum(counts.values())
            if self._writer:
                self._writer.add_frames(name, counts)

    def finish(self) -> None:
        """Writes what is left.

        Raises:
            HS2SError: if no object could be scored
        """
        if not self.objects:
            first = next((problem["message"] for problem in self.problems), "there are no samples")
            raise HS2SError(f"nothing could be scored: {first}")
        if self._writer is None:
            return
        self._writer.flush()
        if self._truth_is_on_frames():
            for name in SCORES:
                self._writer.add_samples(name, self._sample_means(name))
            for name, counts in self._counts.items():
                self._writer.add_samples(name, counts)

    def _truth_is_on_frames(self) -> bool:
        return is_frame_path(self.method.config.gt_field)

    def _sample_means(self, name: str) -> dict[str, float]:
        by_sample: dict[str, list[float]] = {}
        for row in self.objects:
            by_sample.setdefault(row["sample_id"], []).append(row[name])
        return {sample_id: float(np.mean(values)) for sample_id, values in by_sample.items()}


def _texts(scored: ScoredSequence) -> dict[str, str]:
    return {str(number): name for number, name in scored.names.items()}
