"""The operator that shows where in its first frame an object looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import fiftyone.operators as foo
from fiftyone.operators import types

from fiftyone_hs2s.dataset.census import list_names
from fiftyone_hs2s.dataset.fields import detections_fields

from . import forms
from .execution import Outcome, execute
from .work import NONE, MaskOperator, Samples, chosen, open_samples, target


class ShowAttention(MaskOperator):
    """Makes heatmaps of where objects look in their first frame."""

    name = "show_attention"
    label = "HS2S: show where objects look"
    description = "Show where in its first frame an object looks on a later frame"

    def fill(self, inputs: types.Object, ctx: foo.ExecutionContext) -> None:
        forms.check_requirements()
        samples = open_samples(ctx)
        forms.prompt_field_input(inputs, samples, detections_fields, "The masks to start from")
        about = "The later frame; the heatmap lies on the first one, that of the object's mask"
        inputs.int("frame", min=1, required=True, label="Frame", description=about)
        names = list_names(samples, ctx.params["prompt_field"]) if ctx.params.get("prompt_field") else []
        forms.choice(inputs, "object", {NONE: "All"} | {name: name for name in names}, "Object", NONE)
        prefix = forms.field_prefix(samples)
        inputs.str(
            "label_field", default=f"{prefix}attention", label="Output field", description="For the heatmaps"
        )
        forms.model_input(inputs)

    def execute(self, ctx: foo.ExecutionContext) -> Iterator[Any]:
        forms.check_requirements()

        def outcome(report: Any) -> Outcome:
            return _outcome(report, (forms.field_prefix(ctx.target_view()) + report.field,))

        yield from execute(ctx, "Show where objects look", lambda report: _show(ctx, report), outcome)

    def __call__(
        self, samples: Samples, prompt_field: str, frame: int, delegate: bool = False, **params: Any
    ) -> Any:
        """Runs the operator from Python.

        Args:
            samples: the videos
            prompt_field: the frame field with the masks to start from
            frame: the later frame
            delegate: whether to queue the work instead of doing it now
            **params: ``object``, ``label_field``, ``model`` as in ``attention_heatmaps()``

        Returns:
            the operator's result
        """
        params = {"prompt_field": prompt_field, "frame": frame, **params}
        return foo.execute_operator(self.uri, target(samples), params=params, request_delegation=delegate)


def _show(ctx: foo.ExecutionContext, progress: Callable[[Any], None]) -> Any:
    from fiftyone_hs2s import HS2SError, attention_heatmaps, load_model

    params = ctx.params
    if not params.get("frame"):
        raise HS2SError("no frame is given: give its number")
    progress("Loading the model")
    return attention_heatmaps(
        open_samples(ctx),
        params["prompt_field"],
        params.get("label_field") or "attention",
        frame=int(params["frame"]),
        object=chosen(ctx, "object"),
        model=load_model(params.get("model") or None),
        progress=progress,
    )


def _outcome(report: Any, fields: tuple[str, ...]) -> Outcome:
    frames = sorted({number for numbers in report.written.values() for number in numbers})
    where = (
        f" on frame {frames[0]}" if len(frames) == 1 else " on the objects' first frames" if frames else ""
    )
    return Outcome(f"{report}{where}", list(report.failed.items()), warn=not report.written, fields=fields)
