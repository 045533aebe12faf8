"""From corrected masks to whether that helped: propagate again, evaluate, compare."""

from __future__ import annotations

from typing import TYPE_CHECKING

import fiftyone as fo

from fiftyone_hs2s.dataset.compat import Samples, is_clips, is_image_groups
from fiftyone_hs2s.dataset.database import explained
from fiftyone_hs2s.dataset.evaluate.compare import compare_evaluations, list_evaluations, load_evaluation
from fiftyone_hs2s.dataset.evaluate.comparison import Comparison
from fiftyone_hs2s.dataset.evaluate.evaluate import evaluate_propagation
from fiftyone_hs2s.dataset.sample_views import all_samples, as_view
from fiftyone_hs2s.progress import ProgressOption

if TYPE_CHECKING:
    from fiftyone_hs2s.dataset.propagate.model import HS2SVideoModel

_CORRECTED = "_corrected"


def corrected_key(eval_key: str) -> str:
    """The name of the evaluation that is made once masks of another evaluation were corrected."""
    return f"{eval_key.removesuffix(_CORRECTED)}{_CORRECTED}"


@explained
def evaluate_corrections(
    samples: Samples | fo.Sample,
    eval_key: str,
    model: HS2SVideoModel | str | None = None,
    *,
    progress: ProgressOption = None,
) -> Comparison:
    """Propagates again from corrected masks, evaluates the result, and compares it with what was before.

    Fields, protocol and matching are those of the evaluation. The masks are propagated in their own field,
    see :func:`repropagate`. The new evaluation is ``<eval_key>_corrected``: it scores these samples, and
    those that it scored in an earlier call, so that it grows while one corrects sample by sample; the first
    evaluation stays as it is. Corrected masks are prompts and count in neither.

    Args:
        samples: the samples whose masks were corrected: videos, clips (their whole videos are meant), one
            sample, or images in ordered groups
        eval_key: the evaluation of the masks before they were corrected, or the one that an earlier call made
        model: a model of :func:`fiftyone_hs2s.load_model`, or its name; None for the default
        progress: as for :func:`evaluate_propagation`

    Returns:
        the two evaluations by object, on what both scored

    Raises:
        HS2SError: if there is no such evaluation, or no sample can be propagated or scored
    """
    # Listing operators, which brings this file in, takes no torch.
    from fiftyone_hs2s.dataset.propagate.repropagate import repropagate

    samples = as_view(samples)
    before = eval_key.removesuffix(_CORRECTED)
    before = before if before in list_evaluations(samples) else eval_key
    after = corrected_key(before)
    config = load_evaluation(samples, before).config
    report = repropagate(samples, config.pred_field, model, progress=progress)
    report.raise_if_all_failed()
    evaluate_propagation(
        _scored(samples, after),
        config.pred_field,
        config.gt_field,
        after,
        config.protocol,
        match=config.match,
        iou=config.iou,
        progress=progress,
    )
    found = compare_evaluations(samples, [before, after], by="object")
    found.notes.insert(0, f"{report.frames} frames were propagated again")
    found.notes.extend(f"{name}: {why}" for name, why in report.problems.items())
    return found


def _scored(samples: Samples, after: str) -> Samples:
    """The samples to score: these, and those that an earlier call has scored."""
    if is_image_groups(samples):
        return samples
    ids = samples.values("sample_id" if is_clips(samples) else "id")
    if after in list_evaluations(samples):
        ids += [entry.sample_id for entry in load_evaluation(samples, after).series.values()]
    return all_samples(samples).select(list(dict.fromkeys(ids)))
