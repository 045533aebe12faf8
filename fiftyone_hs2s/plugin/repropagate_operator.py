"""The operator that tracks again what depends on corrected masks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import fiftyone.operators as foo
from fiftyone.operators import types

from . import forms
from .execution import Outcome, execute
from .work import (
    MaskOperator,
    Samples,
    chosen,
    evaluation_choice,
    evaluations_of,
    field_choice,
    open_samples,
    target,
)


class Repropagate(MaskOperator):
    """Tracks the frames between keyframes again, where a keyframe was added or changed."""

    name = "repropagate"
    label = "HS2S: propagate corrections"
    description = "Track again the frames beside corrected masks"
    button = "Propagate corrections"

    def fill(self, inputs: types.Object, ctx: foo.ExecutionContext) -> None:
        forms.check_requirements()
        about = "The masks and their corrections: a mask that you drew or changed in Annotate is a keyframe"
        default = field_choice(inputs, open_samples(ctx), "label_field", "Field", about)
        forms.model_input(inputs)
        about = "Evaluate the result too, and compare it with this evaluation; None to propagate only"
        evaluation_choice(inputs, ctx.dataset, about, ctx.params.get("label_field") or default)

    def execute(self, ctx: foo.ExecutionContext) -> Iterator[Any]:
        forms.check_requirements()
        yield from execute(ctx, "Propagate corrections", lambda report: _repropagate(ctx, report), _outcome)

    def __call__(self, samples: Samples, label_field: str, delegate: bool = False, **params: Any) -> Any:
        """Runs the operator from Python.

        Args:
            samples: the videos
            label_field: the frame field with the masks and their corrections
            delegate: whether to queue the work instead of doing it now
            **params: ``model`` as in ``repropagate()``; ``eval_key`` as in ``evaluate_corrections()``, to
                evaluate the result and compare it, too

        Returns:
            the operator's result
        """
        params = {"label_field": label_field, **params}
        return foo.execute_operator(self.uri, target(samples), params=params, request_delegation=delegate)


def _repropagate(ctx: foo.ExecutionContext, progress: Callable[[Any], None]) -> Any:
    from fiftyone_hs2s import evaluate_corrections, load_model, repropagate

    progress("Loading the model")
    field, model = ctx.params["label_field"], load_model(ctx.params.get("model") or None)
    key = chosen(ctx, "eval_key")
    if key in evaluations_of(ctx.dataset, field):  # another field's may be left in the form
        return evaluate_corrections(open_samples(ctx), key, model, progress=progress)
    report = repropagate(open_samples(ctx), field, model, progress=progress)
    report.raise_if_all_failed()
    return report


def _outcome(found: Any) -> Outcome:
    from fiftyone_hs2s import Comparison

    if isinstance(found, Comparison):
        before, after = found.rows
        scores = f"J&F {before['JF']:.3f} before, {after['JF']:.3f} after, on {after['objects']} objects"
        return Outcome(f"{scores}; {found.notes[0]}")
    idle = bool(found.skipped) and not (found.complete or found.problems)
    text = (
        "no mask is new or changed since: correct one in Annotate first"
        if idle
        else f"{found.frames} frames redone"
    )
    return Outcome(text, list(found.problems.items()), warn=idle)
