"""The operator that fine-tunes a model on a dataset's own masks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import fiftyone as fo
import fiftyone.operators as foo
from fiftyone.operators import types

from fiftyone_hs2s.dataset.frame_paths import field_name, field_path
from fiftyone_hs2s.dataset.train.finetune import presets
from fiftyone_hs2s.dataset.train.training_checks import (
    check_training_field,
    check_training_samples,
    check_validation,
)
from fiftyone_hs2s.registry import check_name, find_model

from . import forms
from .execution import Outcome, execute
from .work import MaskOperator, Samples, field_choice, target

_LENGTHS = {"minutes": "Minutes", "steps": "Steps", "config": "As the preset says"}


class Train(MaskOperator):
    """Fine-tunes the tracker on true masks, and registers the model by name."""

    name = "train"
    label = "HS2S: train"
    risk = "high"
    description = "Adapt the tracker to the true masks"
    delegated = True
    check = staticmethod(check_training_samples)

    def fill(self, inputs: types.Object, ctx: foo.ExecutionContext) -> None:
        forms.check_requirements()
        configs = presets()
        field_choice(
            inputs, ctx.target_view(), "gt_field", "Masks", "The true masks", prefer=("ground_truth", "gt")
        )
        forms.choice(inputs, "config", configs, "Preset", "finetune", required=True)
        forms.choice(inputs, "length", _LENGTHS, "Length", "minutes", required=True)
        length = ctx.params.get("length", "minutes")
        if length == "minutes":
            inputs.float(
                "minutes", default=10, min=0.1, required=True, label="Minutes", description=_long_work()
            )
        elif length == "steps":
            inputs.int("steps", default=200, min=1, required=True, label="Steps")
        views = ctx.dataset.list_saved_views()
        if views:
            note = "A saved view of videos: left out of training, scored before and after"
            forms.choice(inputs, "validation", {view: view for view in views}, "Validation", None, note)
        if (validation := ctx.params.get("validation")) in views:
            check_validation(ctx.dataset.load_saved_view(validation))
        self._name(inputs, ctx)

    def _name(self, inputs: types.Object, ctx: foo.ExecutionContext) -> None:
        note = "The model is chosen by this name in HS2S: propagate masks, load_model() and hs2s track"
        inputs.str("name", required=True, label="Name of the model", description=note)
        name = ctx.params.get("name")
        if not name:
            return
        if find_model(name):
            inputs.bool(
                "overwrite", default=False, label="Overwrite", description=f"Replace the model {name}"
            )
        check_name(name, overwrite=bool(ctx.params.get("overwrite")))

    def execute(self, ctx: foo.ExecutionContext) -> Iterator[Any]:
        forms.check_requirements()
        yield from execute(
            ctx, "Train", lambda report: _train(ctx, report), lambda result: Outcome(str(result))
        )

    def __call__(
        self,
        samples: Samples,
        field: str,
        name: str,
        config: str = "finetune",
        minutes: float | None = None,
        steps: int | None = None,
        validation: str | None = None,
        overwrite: bool = False,
        delegate: bool = True,
    ) -> Any:
        """Runs the operator from Python; :func:`fiftyone_hs2s.finetune` does the same at once.

        Args:
            samples: the videos or images
            field: the field with the true masks
            name: name for the model
            config: the preset
            minutes: length of the training
            steps: its length in steps, instead
            validation: name of a saved view of the dataset, to score the model on
            overwrite: replace a registered model of that name
            delegate: whether to queue the work instead of doing it now

        Returns:
            the operator's result

        Raises:
            HS2SError: if the name, the samples or the field cannot be used
        """
        check_name(name, overwrite)
        check_training_field(samples, field)
        params = {
            "gt_field": field_path(samples, field_name(field)),
            "name": name,
            "config": config,
            "length": "minutes" if minutes is not None else "steps" if steps is not None else "config",
            "minutes": minutes,
            "steps": steps,
            "validation": validation,
            "overwrite": overwrite,
        }
        params = {key: value for key, value in params.items() if value is not None}
        return foo.execute_operator(self.uri, target(samples), params=params, request_delegation=delegate)


def _long_work() -> str:
    """Where long work belongs, and how to get there: FiftyOne has a setting for those who run a queue."""
    way = "choose Schedule"
    if not fo.config.allow_legacy_orchestrators:
        way = f"start the App with FIFTYONE_ALLOW_LEGACY_ORCHESTRATORS=true and {way}"
    return f"What runs in the App ends with its server; for long work, {way}"


def _train(ctx: foo.ExecutionContext, progress: Callable[[Any], None]) -> Any:
    from fiftyone_hs2s import finetune

    params = ctx.params
    length, validation = params.get("length"), params.get("validation")
    return finetune(
        ctx.target_view(),
        params["gt_field"],
        params["name"],
        params.get("config") or "finetune",
        minutes=params.get("minutes") if length == "minutes" else None,
        steps=params.get("steps") if length == "steps" else None,
        validation=ctx.dataset.load_saved_view(validation) if validation else None,
        overwrite=bool(params.get("overwrite")),
        progress=progress,
    )
