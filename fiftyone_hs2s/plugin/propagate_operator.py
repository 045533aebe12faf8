"""The operator that propagates masks through videos."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import fiftyone.operators as foo
from fiftyone.operators import types

from fiftyone_hs2s.choices import AUTO
from fiftyone_hs2s.dataset.coloring import SCHEME, has_own_colors
from fiftyone_hs2s.dataset.compat import root_dataset
from fiftyone_hs2s.dataset.fields import check_fields
from fiftyone_hs2s.dataset.find_sequences import find_sequences
from fiftyone_hs2s.dataset.propagate.plan import plan
from fiftyone_hs2s.dataset.propagate.status import StatusField
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.registry import list_models

from . import forms
from .execution import Outcome, execute, stage_context
from .work import Samples, target

if TYPE_CHECKING:
    from fiftyone_hs2s.dataset.propagate.propagation_report import PropagationReport
    from fiftyone_hs2s.plugin.runs import Event

_RESNET50 = "hs2s-resnet50"
_BRING_WEIGHTS = {_RESNET50: "HS2S ResNet-50 (the paper's; bring its weights)"}
_LOOKED_AT = 10  # samples whose output field the form looks into: it does so at each change
_ICONS: dict[str, Any] = {"light_icon": "/assets/icon-light.svg", "dark_icon": "/assets/icon-dark.svg"}


class Propagate(foo.Operator):
    """Propagates the masks of some frames through whole videos."""

    @property
    def config(self) -> foo.OperatorConfig:
        return foo.OperatorConfig(
            name="propagate",
            label="HS2S: propagate masks",
            description="Tracks masked objects through videos",
            dynamic=True,
            execute_as_generator=True,
            allow_immediate_execution=True,
            allow_delegated_execution=True,
            allow_distributed_execution=True,  # the tasks claim one sample after the other
            risk_level="medium",
            **_ICONS,
        )

    def resolve_placement(self, ctx: foo.ExecutionContext) -> types.Placement:
        button = types.Button(label="Propagate masks", icon="/assets/propagate.svg", prompt=True)
        return types.Placement(types.Places.SAMPLES_GRID_SECONDARY_ACTIONS, button)

    def resolve_input(self, ctx: foo.ExecutionContext) -> types.Property:
        inputs = types.Object()
        try:
            forms.check_requirements()
            if ctx.dataset is None:
                raise HS2SError("open a dataset with videos first")
            inputs.view_target(ctx, action_description="Propagate masks in")
            self._fill(inputs, ctx)
        except HS2SError as error:
            forms.refuse(inputs, error)
        return types.Property(inputs, view=types.View(label="Propagate masks"))

    def _fill(self, inputs: types.Object, ctx: foo.ExecutionContext) -> None:
        samples = ctx.target_view()
        forms.prompt_field_input(inputs, samples)
        forms.further_fields_input(inputs, samples, ctx.params.get("prompt_field"))
        output = f"{forms.field_prefix(samples)}hs2s"
        inputs.str("label_field", default=output, label="Output field", description="For the results")
        forms.model_input(inputs, _BRING_WEIGHTS)
        if ctx.params.get("model") == _RESNET50:
            forms.paper_model_inputs(inputs)
        forms.direction_input(inputs)
        forms.prompt_frames_input(inputs)
        forms.scene_cuts_input(inputs)
        forms.quality_inputs(inputs)
        forms.speed_inputs(inputs)
        forms.workers_input(inputs)
        forms.batch_videos_input(inputs)
        forms.mask_maker_input(inputs)
        inputs.bool(
            "overwrite",
            default=False,
            label="Overwrite",
            description="Also do samples that are finished already",
        )
        forms.speed_options(ctx.params)
        if ctx.params.get("prompt_field") and ctx.params.get("label_field"):
            prompts, label = check_fields(
                samples, forms.chosen_prompt_fields(ctx.params), ctx.params["label_field"]
            )
            if not ctx.params.get("overwrite") and prompts != (label,):
                StatusField(root_dataset(samples), label).check_own(find_sequences(samples[:_LOOKED_AT]))
            boxes = ctx.params.get("mask_maker") != forms.IGNORE
            outlook = plan(samples, prompts, label, bool(ctx.params.get("overwrite")), boxes)
            inputs.view("plan", types.Notice(label=str(outlook)))

    def execute(self, ctx: foo.ExecutionContext) -> Iterator[Any]:
        ctx = stage_context(ctx)
        forms.check_requirements()
        # The open App does not look at the dataset's again.
        if not ctx.delegated and not has_own_colors(ctx.dataset):
            yield ctx.trigger("set_color_scheme", params=SCHEME)
        yield from execute(ctx, "Propagate masks", lambda report: _propagate(ctx, report), _outcome)

    def __call__(
        self,
        samples: Samples,
        prompt_field: str | Sequence[str],
        label_field: str,
        delegate: bool = False,
        **params: Any,
    ) -> Any:
        """Runs the operator from Python.

        Args:
            samples: the videos
            prompt_field: the frame field, or fields, with the masks, boxes or points to start from
            label_field: the frame field for the results
            delegate: whether to queue the work instead of doing it now
            **params: ``model``, ``weights``, ``reset_period``, ``adapt``, ``average``, ``mask_maker``,
                ``direction``, ``prompt_frames``, ``scene_cuts``, ``overwrite``, ``num_workers``,
                ``batch_videos``, ``device``, ``precision``, ``runtime`` as in ``load_model()`` and
                ``propagate()``; ``size`` as ``"256x448"``

        Returns:
            the operator's result

        Raises:
            HS2SError: if the fields cannot work
        """
        prompts, label = check_fields(samples, prompt_field, label_field)
        params |= forms.prompt_field_params(samples, prompts)
        params["label_field"] = forms.field_prefix(samples) + label
        return foo.execute_operator(self.uri, target(samples), params=params, request_delegation=delegate)


def _outcome(report: PropagationReport) -> Outcome:
    idle = bool(report.skipped) and not (report.complete or report.problems)
    hint = "; tick Overwrite to do them again" if idle else ""
    return Outcome(f"{report}{hint}", list(report.problems.items()), warn=idle)


def _propagate(ctx: foo.ExecutionContext, progress: Callable[[Event], None]) -> PropagationReport:
    from fiftyone_hs2s import load_model, propagate

    params = ctx.params
    model = params.get("model") or None
    given = {} if model in list_models() else params  # another model's may be left in the form
    if not params.get("label_field"):
        raise HS2SError("the output field has no name: give one for the results")
    fields = {"prompt_field": forms.chosen_prompt_fields(params), "label_field": params["label_field"]}
    check_fields(ctx.target_view(), **fields)  # before the model is loaded, which takes seconds
    if params.get("overwrite") and (getattr(ctx, "num_distributed_tasks", None) or 1) > 1:
        raise HS2SError(
            "each of the distributed tasks would do all samples again: delete the output field, and leave"
            " Overwrite off"
        )
    maker = params.get("mask_maker") or AUTO
    progress("Loading the model")
    loaded = load_model(
        model,
        weights=given.get("weights") or None,
        reset_period=given.get("reset_period"),
        adapt=params.get("adapt") or 0,
        average=params.get("average") or "none",
        **forms.speed_options(params),
        mask_maker=None if maker == forms.IGNORE else maker,
    )
    progress("Reading the masks")
    report = propagate(
        ctx.target_view(),
        loaded,
        **fields,
        direction=params.get("direction"),
        prompt_frames=params.get("prompt_frames"),
        scene_cuts=params.get("scene_cuts"),
        overwrite=bool(params.get("overwrite")),
        num_workers=params.get("num_workers"),
        batch_videos=params.get("batch_videos") or 1,
        progress=progress,
    )
    report.raise_if_all_failed()
    return report
