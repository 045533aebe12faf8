"""The operator that scores propagated masks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import fiftyone as fo
import fiftyone.operators as foo
from fiftyone.operators import types

from fiftyone_hs2s.dataset.evaluate.truth import truth_fields
from fiftyone_hs2s.dataset.fields import check_field, check_own_truth
from fiftyone_hs2s.dataset.frame_paths import field_name
from fiftyone_hs2s.errors import HS2SError

from . import forms
from .execution import Outcome, execute, named, stage_context
from .work import MaskOperator, field_choice, target

_PROTOCOLS = {
    "davis2017": "DAVIS 2017: the first frame's objects; without the first and last frame",
    "davis2016": "DAVIS 2016: all objects as one; without the first and last frame",
    "youtube-vos": "YouTube-VOS: all objects, from the frame after each one's first",
    "appearance": "MOSE, LVOS, SA-V: as DAVIS 2017, and later objects from the frame after their first",
    "all": "All objects on all frames with ground truth",
}


class Evaluate(MaskOperator):
    """Scores propagated masks against ground truth."""

    name = "evaluate"
    label = "HS2S: evaluate masks"
    description = "Score propagated masks against ground truth: J, F and J&F"

    def fill(self, inputs: types.Object, ctx: foo.ExecutionContext) -> None:
        samples = ctx.target_view()
        default = field_choice(inputs, samples, "pred_field", "Predictions", "The propagated masks")
        pred = ctx.params.get("pred_field") or default
        check_truth(samples, pred)
        field_choice(
            inputs, samples, "gt_field", "Ground truth", "The true masks", prefer=("ground_truth", "gt")
        )
        note = (
            f"Its name; empty for {default_key(pred)}"
            if pred
            else "Its name; empty for that of the field and _eval"
        )
        inputs.str("eval_key", label="Evaluation key", description=note)
        protocol_input(inputs)
        forms.match_input(inputs)
        check_own_truth(ctx.params.get("pred_field"), ctx.params.get("gt_field"))
        key = ctx.params.get("eval_key") or (default_key(pred) if pred else None)
        if key and not key.isidentifier():
            raise HS2SError(f"{key!r} cannot name an evaluation: use letters, digits and underscores")
        if key and key in ctx.dataset.list_evaluations():
            text = f"There is an evaluation {key}: its scores will be replaced"
            inputs.view("replaced", types.Notice(label=text))

    def execute(self, ctx: foo.ExecutionContext) -> Iterator[Any]:
        ctx = stage_context(ctx)

        def outcome(results: Any) -> Outcome:
            text = f"J&F {results.JF:.3f}, J {results.J:.3f}, F {results.F:.3f}"
            text += " (objects matched on their first frame)" * (results.config.match == "first_frame")
            return Outcome(f"{_key(ctx)}: {text}", named(ctx.dataset, results.problems))

        yield from execute(ctx, "Evaluate masks", lambda report: _evaluate(ctx, report), outcome)

    def __call__(
        self,
        samples: fo.Dataset | fo.DatasetView,
        pred_field: str,
        gt_field: str,
        eval_key: str | None = None,
        protocol: str = "davis2017",
        match: str = "identity",
        delegate: bool = False,
    ) -> Any:
        """Runs the operator from Python; arguments as in ``evaluate_propagation()``.

        Args:
            samples: the samples
            pred_field: the field with the predictions
            gt_field: the field with the ground truth
            eval_key: name of the evaluation; None for that of the field and ``_eval``
            protocol: name of the protocol
            match: how predicted objects are matched with true ones
            delegate: whether to queue the work instead of doing it now

        Returns:
            the operator's result
        """
        prefix = forms.field_prefix(samples)
        params = {"pred_field": prefix + check_field(samples, pred_field, "prediction"), "eval_key": eval_key}
        params |= {"gt_field": prefix + check_field(samples, gt_field, "ground truth"), "protocol": protocol}
        params |= {"match": match}
        return foo.execute_operator(self.uri, target(samples), params=params, request_delegation=delegate)


def _evaluate(ctx: foo.ExecutionContext, progress: Callable[[Any], None]) -> Any:
    from fiftyone_hs2s import evaluate_propagation

    fields = ctx.params["pred_field"], ctx.params["gt_field"]
    chosen = {name: value for name in ("protocol", "match") if (value := ctx.params.get(name))}
    return evaluate_propagation(ctx.target_view(), *fields, _key(ctx), **chosen, progress=progress)


def protocol_input(inputs: types.Object) -> None:
    """Adds the choice of the objects and frames that count."""
    forms.choice(inputs, "protocol", _PROTOCOLS, "Protocol", "davis2017", required=True)


def default_key(field: str) -> str:
    """What an evaluation is called if nothing else is said: the scores of each field are kept apart."""
    return f"{field_name(field)}_eval"


def check_truth(samples: fo.Dataset | fo.DatasetView, pred_field: str | None) -> None:
    """Makes sure that there is a field that can be the ground truth.

    Raises:
        HS2SError: if all masks are predictions, or were given to the tracker
    """
    if not truth_fields(samples, pred_field):
        raise HS2SError(
            "there is no ground truth, only propagated masks and their prompts: add a Detections field with"
            " true masks, or use HS2S: find failures, which needs none"
        )


def _key(ctx: foo.ExecutionContext) -> str:
    return ctx.params.get("eval_key") or default_key(ctx.params["pred_field"])
