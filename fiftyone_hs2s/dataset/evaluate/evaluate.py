"""Scores propagated masks in a dataset."""

from __future__ import annotations

import fiftyone as fo

from fiftyone_hs2s.dataset.compat import Samples
from fiftyone_hs2s.dataset.database import explained
from fiftyone_hs2s.dataset.evaluate.evaluation_backend import PropagationEvaluationConfig
from fiftyone_hs2s.dataset.evaluate.evaluation_key import evaluation_key
from fiftyone_hs2s.dataset.evaluate.evaluation_results import PropagationResults
from fiftyone_hs2s.dataset.fields import check_field, check_own_truth
from fiftyone_hs2s.dataset.frame_paths import field_path
from fiftyone_hs2s.dataset.label_runs import group_run
from fiftyone_hs2s.dataset.sample_views import as_view
from fiftyone_hs2s.engines import Engine
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.metrics import get_protocol
from fiftyone_hs2s.metrics.first_frame_match import check_match
from fiftyone_hs2s.progress import ProgressOption


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
    num_workers: int | Engine = 1,
    progress: ProgressOption = None,
) -> PropagationResults:
    """Scores predicted masks against ground truth: region similarity J, boundary similarity F, and their mean
    J&F.

    Objects are matched by identity: by ``instance`` if both fields share one, else by ``index``, else by
    ``label``. For predictions that lost it (FiftyOne's SAM 2 renumbers objects) ``match="first_frame"``
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
        protocol: ``davis2017``, ``davis2016``, ``youtube-vos``, ``appearance`` or ``all``, see
            ``fiftyone_hs2s.metrics.PROTOCOLS``
        match: ``identity`` or ``first_frame``, see above
        iou: from this J on a label counts as found
        num_workers: number of processes, more than one of which take some seconds to start, or an engine of
            :mod:`fiftyone_hs2s.distributed`
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
    group_run(samples, pred_name)
    return results


def _check_key(eval_key: str | None) -> None:
    if eval_key is not None and not eval_key.isidentifier():
        raise HS2SError(f"{eval_key!r} cannot name an evaluation: use letters, digits and underscores")
