"""A detection evaluation backend of FiftyOne whose numbers are J and F."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import fiftyone.core.fields as fof
import fiftyone.core.utils as fou
import fiftyone.utils.eval.detection as foud

from fiftyone_hs2s.dataset.bars import fiftyone_reporting
from fiftyone_hs2s.dataset.compat import Samples, delete_empty_sidebar_group, root_dataset
from fiftyone_hs2s.dataset.evaluate.evaluation_key import FAILURE_FIELDS
from fiftyone_hs2s.dataset.evaluate.evaluation_results import PropagationResults
from fiftyone_hs2s.dataset.evaluate.evaluation_run import EvaluationRun
from fiftyone_hs2s.dataset.evaluate.evaluation_writer import SCORES
from fiftyone_hs2s.dataset.fields import check_samples
from fiftyone_hs2s.dataset.find_sequences import find_sequences
from fiftyone_hs2s.dataset.frame_paths import frame_path, is_frame_path
from fiftyone_hs2s.engines import Engine
from fiftyone_hs2s.progress import ProgressOption, counted

METHOD = "hs2s"
"""Name of the evaluation backend."""


_LABEL_SCORES = ("F", "JF")


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
        num_workers: int | Engine = 1,
    ) -> PropagationResults:
        """Scores the samples and writes what is found."""
        run = EvaluationRun(self.config, samples, eval_key)
        check_samples(samples)
        sequences = find_sequences(samples)
        with fiftyone_reporting(progress) as report:
            for sequence, scored in counted(run.score(sequences, num_workers), len(sequences), report):
                run.add(sequence, scored)
        run.finish()
        for row in matches:
            run.tables.add_match(row)
        return PropagationResults(
            samples, self.config, eval_key, run.tables, classes=classes, missing=missing, backend=self
        )

    def get_fields(self, samples: Samples, eval_key: str, include_custom_metrics: bool = True) -> list[str]:
        """The paths of all fields that belong to an evaluation; of labels, where their field is still
        there."""
        config, own = self.config, self._own_fields(samples, eval_key)
        counts = [f"{eval_key}_{name}" for name in ("tp", "fp", "fn")]
        frames = [frame_path(name) for name in counts] if is_frame_path(config.gt_field) else []
        labels = [
            f"{path}.detections.{eval_key}{part}"
            for path in (config.pred_field, config.gt_field)
            for part in ("", "_id", "_iou")
            if samples.has_field(path)
        ]
        custom = self.get_custom_metric_fields(samples, eval_key) if include_custom_metrics else []
        return [*counts, *labels, *frames, *custom, *own]

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
        pred_field = self.config.pred_field
        scored = _LABEL_SCORES if samples.has_field(pred_field) else ()
        labels = [f"{pred_field}.detections.{eval_key}_{name}" for name in scored]
        frames = [frame_path(name) for name in names] if is_frame_path(pred_field) else []
        return [*names, *frames, *labels]
