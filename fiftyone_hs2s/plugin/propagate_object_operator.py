"""The operator that propagates objects of a frame of the open sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import fiftyone.operators as foo
from fiftyone.operators import types

from fiftyone_hs2s.choices import AUTO
from fiftyone_hs2s.dataset.find_sequences import whole_sequences
from fiftyone_hs2s.dataset.frame_paths import field_name
from fiftyone_hs2s.dataset.objects import Identity
from fiftyone_hs2s.dataset.sequences import LabeledSequence
from fiftyone_hs2s.errors import HS2SError

from . import forms
from .execution import Outcome, execute
from .work import MaskOperator, Samples, field_choice, open_samples, target

_ALL = "(all)"
_RANGE = "range"
_UNTIL = {
    "end": "To the end of the video",
    "keyframe": "To the object's next keyframe",
    _RANGE: "Within a range of frames",
}


class PropagateObject(MaskOperator):
    """Propagates the selected object, or all objects of the frame that is shown, within their field.

    ``assets/open_sample.js`` opens its form, with the frame and the object that are looked at.
    """

    name = "propagate_object"
    label = "HS2S: propagate this object"
    description = "Track objects of a frame through the open video"
    unlisted = True

    def fill(self, inputs: types.Object, ctx: foo.ExecutionContext) -> None:
        forms.check_requirements()
        if not ctx.current_sample:
            raise HS2SError("open a sample first")
        samples = open_samples(ctx)
        (sequence,) = whole_sequences(samples)
        selected = _selected(ctx, sequence)
        prefer = (field_name(selected["field"]),) if selected else ("hs2s", "pred", "predictions")
        about = "The field with the object's mask or box; its other masks are written there too"
        default = field_choice(inputs, samples, "label_field", "Field", about, prefer)
        number = selected.get("frame_number") or _number(sequence, selected.get("sample_id"), ctx)
        inputs.int("frame_number", default=number, min=1, required=True, label="Frame")
        field, number = ctx.params.get("label_field") or default, ctx.params.get("frame_number") or number
        objects = _objects(sequence, field, number) if field else []
        chosen = next((each.key for each in objects if each.label_id == selected.get("label_id")), _ALL)
        labels = {_ALL: "All objects of the frame", **{each.key: each.name for each in objects}}
        forms.choice(inputs, "object", labels, "Object", chosen)
        forms.direction_input(inputs)
        forms.choice(inputs, "until", _UNTIL, "How far", "end")
        if ctx.params.get("until") == _RANGE:
            inputs.int("first", default=1, min=1, label="First frame")
            inputs.int("last", min=1, required=True, label="Last frame")
        forms.model_input(inputs)
        forms.mask_maker_input(inputs)

    def execute(self, ctx: foo.ExecutionContext) -> Iterator[Any]:
        forms.check_requirements()
        yield from execute(ctx, "Propagate this object", lambda report: _propagate(ctx, report), _outcome)

    def __call__(
        self, samples: Samples, label_field: str, frame_number: int, delegate: bool = False, **params: Any
    ) -> Any:
        """Runs the operator from Python.

        Args:
            samples: a view of one sample
            label_field: the frame field with the objects
            frame_number: the frame to start from
            delegate: whether to queue the work instead of doing it now
            **params: ``object`` (the id of a label, or what else names its object), ``direction``, ``until``
                (``"end"``, ``"keyframe"``, or ``"range"`` with ``first`` and ``last``), ``model``,
                ``mask_maker``

        Returns:
            the operator's result
        """
        params = {"label_field": label_field, "frame_number": frame_number, **params}
        return foo.execute_operator(self.uri, target(samples), params=params, request_delegation=delegate)


def _selected(ctx: foo.ExecutionContext, sequence: LabeledSequence) -> dict[str, Any]:
    """The label of the open sample, or group, that is selected last; empty if none is."""
    known = {ctx.current_sample, *sequence.sample_ids}
    found = [label for label in ctx.selected_labels or () if label.get("sample_id") in known]
    return found[-1] if found else {}


def _number(sequence: LabeledSequence, sample_id: str | None, ctx: foo.ExecutionContext) -> int:
    """The frame to start from where the App tells none: of a group the open image, or that of a label."""
    image = sample_id or ctx.current_sample
    return 1 if sequence.is_video else sequence.sample_ids.index(image) + 1


class _Object(NamedTuple):
    """An object of a frame."""

    key: str
    """What the App calls it: the id of its instance, ``track-<index>``, else the id of its label."""
    label_id: str
    name: str


def _objects(sequence: LabeledSequence, field: str, number: int) -> list[_Object]:
    """The objects of a frame."""
    index = number - sequence.number(0)
    if not sequence.is_video and not 0 <= index < len(sequence.sample_ids):
        return []
    labels = sequence.read_at(field_name(field), index)
    found = []
    for label in labels.detections if labels else ():
        identity = Identity.of(label)
        track = None if identity.index is None else f"track-{identity.index}"
        found.append(_Object(identity.instance or track or label.id, label.id, identity.name))
    return found


def _propagate(ctx: foo.ExecutionContext, progress: Callable[[Any], None]) -> Any:
    from fiftyone_hs2s import load_model, propagate_object

    params = ctx.params
    maker = params.get("mask_maker") or AUTO
    progress("Loading the model")
    model = load_model(params.get("model") or None, mask_maker=None if maker == forms.IGNORE else maker)
    samples, how_far = open_samples(ctx), params.get("until")
    number = int(params["frame_number"])
    given = params.get("object") or _ALL
    return propagate_object(
        samples,
        params["label_field"],
        number,
        None if given == _ALL else given,
        model,
        direction=params.get("direction") or "forward",
        until="keyframe" if how_far == "keyframe" else "end",
        span=(params.get("first") or 1, params.get("last") or number) if how_far == _RANGE else None,
        progress=progress,
    )


def _outcome(report: Any) -> Outcome:
    return Outcome(f"{report.frames} frames written")
