"""The operator that propagates masks, scores them and finds failures, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import fiftyone.operators as foo
from fiftyone.operators import types

from fiftyone_hs2s.dataset.evaluate.truth import truth_fields
from fiftyone_hs2s.dataset.fields import check_field, check_fields, check_own_truth

from . import forms
from .evaluate_operator import default_key, protocol_input
from .work import NONE, MaskOperator, Samples, chosen, target


class PropagateAndCheck(MaskOperator, foo.PipelineOperator):
    """Propagates masks, scores them where there is ground truth, and finds failures."""

    name = "propagate_and_check"
    label = "HS2S: propagate masks and check them"
    description = "Propagate masks, score them where there is ground truth, and find failures, in one go"
    as_generator = False

    def fill(self, inputs: types.Object, ctx: foo.ExecutionContext) -> None:
        forms.check_requirements()
        samples = ctx.target_view()
        forms.prompt_field_input(inputs, samples)
        forms.further_fields_input(inputs, samples, ctx.params.get("prompt_field"))
        prefix = forms.field_prefix(samples)
        inputs.str("label_field", default=f"{prefix}hs2s", required=True, label="Output field")
        forms.model_input(inputs)
        forms.direction_input(inputs)
        forms.prompt_frames_input(inputs)
        forms.workers_input(inputs)
        truths = {prefix + name: prefix + name for name in truth_fields(samples, None)}
        about = "The true masks; None to find failures without"
        forms.choice(inputs, "gt_field", {NONE: "None"} | truths, "Ground truth", NONE, about)
        if chosen(ctx, "gt_field"):
            protocol_input(inputs)
        about = "Also do samples that are finished already"
        inputs.bool("overwrite", default=False, label="Overwrite", description=about)
        if ctx.params.get("prompt_field") and ctx.params.get("label_field"):
            check_fields(samples, forms.chosen_prompt_fields(ctx.params), ctx.params["label_field"])
            check_own_truth(ctx.params["label_field"], chosen(ctx, "gt_field"))

    def resolve_pipeline(self, ctx: foo.ExecutionContext) -> types.Pipeline:
        params, pipeline = dict(ctx.params), types.Pipeline()
        truth, protocol, pred = chosen(ctx, "gt_field"), params.pop("protocol", None), params["label_field"]
        params.pop("gt_field", None)
        pipeline.stage("@hs2s/hs2s/propagate", name="Propagate masks", params=params)
        checks: dict[str, Any] = {"pred_field": pred}
        if truth:
            checks["eval_key"] = default_key(pred)
            scores = {**checks, "gt_field": truth, "protocol": protocol or "davis2017"}
            pipeline.stage("@hs2s/hs2s/evaluate", name="Evaluate masks", params=scores)
        finds = {**checks, "save_views": True}
        pipeline.stage("@hs2s/hs2s/find_failures", name="Find failures", params=finds)
        return pipeline

    def __call__(
        self,
        samples: Samples,
        prompt_field: str | Sequence[str],
        label_field: str,
        gt_field: str | None = None,
        delegate: bool = False,
        **params: Any,
    ) -> Any:
        """Runs the operator from Python.

        Args:
            samples: the videos
            prompt_field: the frame field, or fields, with the masks, boxes or points to start from
            label_field: the frame field for the results
            gt_field: the field with the ground truth, if there is one
            delegate: whether to queue the work instead of doing it now
            **params: ``model``, ``direction``, ``prompt_frames``, ``overwrite``, ``num_workers``,
                ``protocol`` as in ``propagate()`` and ``evaluate_propagation()``

        Returns:
            the operator's result

        Raises:
            HS2SError: if the fields cannot work
        """
        prompts, label = check_fields(samples, prompt_field, label_field)
        prefix = forms.field_prefix(samples)
        params |= forms.prompt_field_params(samples, prompts) | {"label_field": prefix + label}
        if gt_field:
            params["gt_field"] = prefix + check_field(samples, gt_field, "ground truth")
        return foo.execute_operator(self.uri, target(samples), params=params, request_delegation=delegate)
