"""What the operators on finished masks have in common."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import fiftyone as fo
import fiftyone.operators as foo
from fiftyone.operators import types

from fiftyone_hs2s.dataset.evaluate.compare import list_evaluations
from fiftyone_hs2s.dataset.fields import check_samples, detections_fields, masks_fix
from fiftyone_hs2s.dataset.sample_views import select_sample
from fiftyone_hs2s.errors import HS2SError

from . import forms
from .forms import NONE

Samples = fo.Dataset | fo.DatasetView

_TRUTHS = ("ground_truth", "gt")


class MaskOperator(foo.Operator):
    """An operator on finished masks: its form is refused in words where it cannot work."""

    name: ClassVar[str]
    label: ClassVar[str]
    description: ClassVar[str]
    delegated: ClassVar[bool] = False
    """Whether the work is queued unless one chooses otherwise."""
    unlisted: ClassVar[bool] = False
    """Whether the operator browser does not have it."""
    risk: ClassVar[str] = "medium"
    """FiftyOne's risk level: ``low`` reads, ``medium`` writes fields, ``high`` writes files on the server, or
    deletes."""
    of_samples: ClassVar[bool] = True
    """Whether one chooses the samples, rather than that it is about the dataset."""
    button: ClassVar[str | None] = None
    """The label of its button in the open sample, if it has one."""
    as_generator: ClassVar[bool] = True
    """Whether ``execute()`` yields what the App is to do; a pipeline has none."""
    check = staticmethod(check_samples)
    """Refuses samples that the operator cannot work on."""

    @property
    def config(self) -> foo.OperatorConfig:
        return foo.OperatorConfig(
            name=type(self).name,
            label=self.label,
            description=self.description,
            dynamic=True,
            unlisted=self.unlisted,
            execute_as_generator=self.as_generator,
            allow_immediate_execution=True,
            allow_delegated_execution=True,
            default_choice_to_delegated=self.delegated,
            risk_level=self.risk,
            light_icon="/assets/icon-light.svg",
            dark_icon="/assets/icon-dark.svg",
        )

    def resolve_placement(self, ctx: foo.ExecutionContext) -> types.Placement | None:
        if self.button is None:
            return None
        button = types.Button(label=self.button, icon=f"/assets/{self.name}.svg", prompt=True)
        return types.Placement(types.Places.SAMPLES_VIEWER_ACTIONS, button)

    def resolve_input(self, ctx: foo.ExecutionContext) -> types.Property:
        inputs = types.Object()
        try:
            if ctx.dataset is None:
                raise HS2SError("open a dataset with videos first")
            if self.of_samples:
                inputs.view_target(ctx, action_description=f"{self.description} in")
                self.check(ctx.target_view())
            self.fill(inputs, ctx)
        except HS2SError as error:
            forms.refuse(inputs, error)
        return types.Property(inputs, view=types.View(label=self.label))

    @abstractmethod
    def fill(self, inputs: types.Object, ctx: foo.ExecutionContext) -> None:
        """Adds the form's own fields.

        Raises:
            HS2SError: if the operator cannot run
        """


def field_choice(
    inputs: types.Object,
    samples: Samples,
    name: str,
    label: str,
    description: str,
    prefer: tuple[str, ...] = ("hs2s", "pred", "predictions"),
    required: bool = True,
) -> str | None:
    """Adds the choice of a field with masks, or of none if it is not required.

    Returns:
        the default: the first of ``prefer`` that there is, or the only field (that is no ground truth), or
        the one that was propagated to last

    Raises:
        HS2SError: if there is no such field
    """
    fields = detections_fields(samples)
    if not fields:
        fix = masks_fix(samples, "add a Detections field with some, or propagate them")
        raise HS2SError(f"there are no masks: {fix}")
    prefix = forms.field_prefix(samples)
    rest = [field for field in fields if field not in _TRUTHS] or fields
    propagated = [field for field in reversed(rest) if samples.has_sample_field(f"{field}_status")]
    likely = [field for field in prefer if field in fields] or (rest if len(rest) == 1 else propagated)
    default = (prefix + likely[0] if likely else None) if required else NONE
    paths = ({} if required else {NONE: "None"}) | {prefix + field: prefix + field for field in fields}
    forms.choice(inputs, name, paths, label, default, description, required=required)
    return default


def evaluation_choice(
    inputs: types.Object, samples: Samples, description: str, pred_field: str | None = None
) -> None:
    """Adds the choice of an evaluation, as :func:`evaluations_of` lists them, or of none; the last is the
    default."""
    keys = evaluations_of(samples, pred_field)
    if keys:
        choices = {NONE: "None"} | {key: key for key in keys}
        forms.choice(inputs, "eval_key", choices, "Evaluation", keys[-1], description)


def chosen(ctx: foo.ExecutionContext, name: str) -> str | None:
    """What was chosen of a drop-down menu that has "None" too."""
    value = ctx.params.get(name)
    return None if value in (None, "", NONE) else str(value)


def evaluations_of(samples: Samples, pred_field: str | None) -> list[str]:
    """The keys of the evaluations that ``evaluate_propagation()`` made of a field, or of any field for
    None."""
    keys = list_evaluations(samples)
    return [key for key in keys if pred_field in (None, samples.get_evaluation_info(key).config.pred_field)]


def open_samples(ctx: foo.ExecutionContext) -> Samples:
    """The open sample, or group of images, if there is one; else what was chosen."""
    samples = ctx.target_view()
    return select_sample(samples, ctx.current_sample) if ctx.current_sample else samples


def target(samples: Samples) -> dict[str, Samples]:
    """What an operator that is called from Python works on."""
    return {"view": samples} if isinstance(samples, fo.DatasetView) else {"dataset": samples}
