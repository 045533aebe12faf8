"""Finds why masks fail, and when, and writes it to the samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import fiftyone as fo

from fiftyone_hs2s.dataset.compat import Samples, is_image_groups
from fiftyone_hs2s.dataset.database import explained
from fiftyone_hs2s.dataset.diagnose.event_labels import object_name
from fiftyone_hs2s.dataset.diagnose.failure_report import FailureReport
from fiftyone_hs2s.dataset.diagnose.failure_views import save_failure_views
from fiftyone_hs2s.dataset.diagnose.series import Series, evaluated_series, how_matched, new_series
from fiftyone_hs2s.dataset.diagnose.write_events import EventWriter, Found
from fiftyone_hs2s.dataset.fields import check_field, check_own_truth
from fiftyone_hs2s.dataset.find_sequences import find_sequences
from fiftyone_hs2s.dataset.label_runs import group_run
from fiftyone_hs2s.dataset.propagate.scene_cut_field import read_scene_cuts
from fiftyone_hs2s.dataset.sample_views import as_view
from fiftyone_hs2s.engines import Engine
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.metrics import EventOptions, find_events
from fiftyone_hs2s.metrics.find_events import scene_cut_events
from fiftyone_hs2s.metrics.prediction_events import prompt_agreement
from fiftyone_hs2s.progress import ProgressOption

if TYPE_CHECKING:
    from fiftyone_hs2s.dataset.propagate.model import HS2SVideoModel


@explained
def find_failures(
    samples: Samples | fo.Sample,
    pred_field: str,
    gt_field: str | None = None,
    eval_key: str | None = None,
    *,
    match: str | None = None,
    other_field: str | None = None,
    track_back: bool | str | HS2SVideoModel = False,
    options: EventOptions | None = None,
    tag: bool = False,
    save_views: bool = False,
    num_workers: int | Engine | None = 1,
    progress: ProgressOption = None,
) -> FailureReport:
    """Finds the intervals of frames in which masks fail, or in which it is hard to get them right.

    The kinds are those of :mod:`fiftyone_hs2s.metrics.truth_events` where the truth is known (``gt_field`` or
    ``eval_key``), such as ``lost`` and ``identity switch``, else those of
    :mod:`fiftyone_hs2s.metrics.prediction_events`, such as ``low confidence``; and ``scene cut``, as
    propagation has noted them. :class:`FailureReport` says what is written to the samples.

    With ``track_back`` each object is tracked from its last predicted mask back to the first one, its prompt.
    A track that has lost its object does not return to its prompt: where the two tracks differ is a
    ``disagreement``. Memory grows by no more than some numbers per frame.

    Args:
        samples: videos, clips, images in dynamic groups, or one of them
        pred_field: the frame field with the predictions; ``frames.`` may be left out
        gt_field: the frame field with the ground truth, if there is one
        eval_key: an evaluation of these fields; its scores are used, so that no mask is read again
        match: how predicted objects are matched with true ones: ``identity`` (the default) or
            ``first_frame``, as in :func:`evaluate_propagation`; an evaluation has done so already
        other_field: predictions of another run, to compare with; where the two differ is a ``disagreement``.
            Objects that only the other run has are left out. Only without ground truth
        track_back: whether to track the objects back and compare; or the model that does it (or its name),
            best the one that made the predictions: it goes against its own direction, so backward unless that
            is "backward". Only without ground truth. Takes as long as the propagation
        options: what counts as an event
        tag: whether to tag samples with their failures, such as ``hs2s: drift``; of a group the images on
            which they happen
        save_views: whether to save views of the failures, see :func:`save_failure_views`
        num_workers: number of processes, an engine of :mod:`fiftyone_hs2s.distributed`, or None for one on
            each GPU, which only tracking back needs; more than one takes some seconds to start
        progress: whether to show a bar (None: as ``fiftyone.config.show_progress_bars`` says), or a function
            to call instead with a :class:`fiftyone_hs2s.progress.Progress` for each sample

    Returns:
        what was found

    Raises:
        HS2SError: if a field, the evaluation or the samples are unusable
    """
    samples = as_view(samples)
    prediction = check_field(samples, pred_field, "prediction")
    check_own_truth(pred_field, None if eval_key else gt_field)
    report = FailureReport(f"{prediction}_events")
    other = _other_run(samples, other_field, track_back, has_truth=bool(gt_field or eval_key))
    report.match = how_matched(samples, match, gt_field, eval_key)
    if eval_key is not None:
        scored = evaluated_series(samples, eval_key, prediction)
    else:
        truth = check_field(samples, gt_field, "ground truth") if gt_field else None
        how, problems = report.match or "identity", report.problems
        scored = new_series(
            samples, truth, prediction, problems, progress, other, match=how, num_workers=num_workers
        )
    groups = find_sequences(samples) if is_image_groups(samples) else []
    images = {sequence.sample_id: sequence.sample_ids for sequence in groups}
    events: Found = {}
    cuts = read_scene_cuts(samples, prediction)
    with closing(scored):  # and its progress bar
        for item in scored:
            if images and item.sequence.frames.max(initial=0) > len(images[item.sample_id]):
                continue  # an evaluation of more images
            found = [(event, item.names) for event in find_events(item.sequence, options, item.protocol)]
            scenes = scene_cut_events(item.sequence, cuts.get(item.sample_id, ()))
            found += [(event, {0: "all objects"}) for event in scenes]
            events.setdefault(item.sample_id, []).extend(found)
            report.track_back += _prompt_agreements(item) if track_back else []
    key = eval_key or prediction
    report.problems += _other_images(eval_key, images.keys() - events.keys()) if eval_key else []
    writer = EventWriter(samples, images)
    writer.write(report, key, events)
    if tag:
        writer.tag(events)
    if save_views:
        save_failure_views(samples, prediction, key)
    group_run(samples, prediction)
    return report


def _other_images(eval_key: str, sample_ids: Iterable[str]) -> Iterator[dict[str, str]]:
    """What is said of groups whose images are not those that an evaluation has scored."""
    for sample_id in sample_ids:
        message = f"the evaluation {eval_key!r} is not of the images that this group has here: evaluate again"
        yield {"sample_id": sample_id, "message": message}


def _other_run(
    samples: Samples, other_field: str | None, track_back: bool | str | HS2SVideoModel, has_truth: bool
) -> str | HS2SVideoModel | None:
    """What to compare the predictions with: a field, or a model that tracks back."""
    if (other_field or track_back) and has_truth:
        raise HS2SError(
            "other runs are not used where the truth is known: leave other_field and track_back out"
        )
    if other_field and track_back:
        raise HS2SError(
            "the predictions are compared with one other run: give other_field or track_back, not both"
        )
    if other_field:
        return check_field(samples, other_field, "other")
    if not isinstance(track_back, bool | str):
        return track_back
    if not track_back:
        return None
    from fiftyone_hs2s.dataset.propagate.model import load_model

    return load_model() if track_back is True else load_model(track_back)


def _prompt_agreements(item: Series) -> list[dict[str, Any]]:
    found = {number: prompt_agreement(scores) for number, scores in item.sequence.objects.items()}
    return [
        {"sample_id": item.sample_id, "object": object_name(item.names, number), "J": j}
        for number, j in found.items()
        if j is not None
    ]
