"""The operator that finds why masks fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import fiftyone.operators as foo
from fiftyone.operators import types

from fiftyone_hs2s.dataset.fields import check_field, check_own_truth
from fiftyone_hs2s.errors import HS2SError

from . import forms
from .execution import Outcome, execute, named, stage_context
from .work import MaskOperator, Samples, chosen, evaluation_choice, evaluations_of, field_choice, target


class FindFailures(MaskOperator):
    """Finds the frames on which masks fail, and saves views of them."""

    name = "find_failures"
    label = "HS2S: find failures"
    description = "Find occlusions, lost objects, drift and other reasons for bad masks"

    def fill(self, inputs: types.Object, ctx: foo.ExecutionContext) -> None:
        samples = ctx.target_view()
        default = field_choice(inputs, samples, "pred_field", "Predictions", "The propagated masks")
        pred, truth, key = ctx.params.get("pred_field"), chosen(ctx, "gt_field"), _eval_key(ctx)
        note = "Uses its scores; None to score again, or without ground truth"
        evaluation_choice(inputs, ctx.dataset, note, pred or default)
        if not key:
            what = "The true masks; None if there are none, or to track back"
            field_choice(inputs, samples, "gt_field", "Ground truth", what, required=False)
        if truth and not key:
            forms.match_input(inputs)
        if _has_truth(ctx):
            note = (
                "An object with at most this many true pixels counts as hidden; the paper takes 0, 50 and 100"
            )
            inputs.int("occlusion_area", default=0, min=0, label="Occluded up to", description=note)
        else:
            note = "To see where the backward track differs from the masks; takes as long as propagating them"
            inputs.bool("track_back", default=False, label="Track back", description=note)
            if ctx.params.get("track_back"):
                forms.check_requirements()
        inputs.bool(
            "tag", default=False, label="Tag samples", description="With their failures, such as hs2s: drift"
        )
        inputs.bool(
            "save_views",
            default=True,
            label="Save views",
            description="One for each kind of event, and one with the worst first",
        )
        check_own_truth(pred, None if key else truth)

    def execute(self, ctx: foo.ExecutionContext) -> Iterator[Any]:
        ctx = stage_context(ctx)

        def outcome(report: Any) -> Outcome:
            return Outcome(f"{report.field}: {report}", named(ctx.dataset, report.problems))

        yield from execute(ctx, "Find failures", lambda report: _find(ctx, report), outcome)

    def __call__(self, samples: Samples, pred_field: str, delegate: bool = False, **params: Any) -> Any:
        """Runs the operator from Python.

        Args:
            samples: the videos
            pred_field: the field with the predictions
            delegate: whether to queue the work instead of doing it now
            **params: ``gt_field``, ``eval_key``, ``match``, ``track_back``, ``tag``, ``save_views`` as in
                ``find_failures()``; ``occlusion_area`` as in ``EventOptions``

        Returns:
            the operator's result

        Raises:
            HS2SError: if a field or the evaluation cannot be used
        """
        prefix = forms.field_prefix(samples)
        if params.get("gt_field"):
            params["gt_field"] = prefix + check_field(samples, params["gt_field"], "ground truth")
        params["pred_field"] = prefix + check_field(samples, pred_field, "prediction")
        key = params.get("eval_key")
        if key and key not in evaluations_of(samples, params["pred_field"]):
            raise HS2SError(f"{key!r} is not an evaluation of {pred_field!r}: give another one, or none")
        return foo.execute_operator(self.uri, target(samples), params=params, request_delegation=delegate)


def _eval_key(ctx: foo.ExecutionContext) -> str | None:
    """The chosen evaluation, unless it is of another field: that may be left in the form."""
    key = chosen(ctx, "eval_key")
    return key if key in evaluations_of(ctx.dataset, ctx.params.get("pred_field")) else None


def _has_truth(ctx: foo.ExecutionContext) -> bool:
    return bool(chosen(ctx, "gt_field") or _eval_key(ctx))


def _find(ctx: foo.ExecutionContext, progress: Callable[[Any], None]) -> Any:
    from fiftyone_hs2s import find_failures
    from fiftyone_hs2s.metrics import EventOptions

    params = ctx.params
    if params.get("track_back") and not _has_truth(ctx):
        progress("Loading the model")
    return find_failures(
        ctx.target_view(),
        params["pred_field"],
        chosen(ctx, "gt_field"),
        _eval_key(ctx),
        match=None if _eval_key(ctx) or not chosen(ctx, "gt_field") else params.get("match"),
        track_back=bool(params.get("track_back")) and not _has_truth(ctx),
        options=EventOptions(occlusion_area=int(params.get("occlusion_area") or 0)),
        tag=bool(params.get("tag")),
        save_views=bool(params.get("save_views")),
        progress=progress,
    )
