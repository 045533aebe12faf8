"""The operator that makes the paper's analyses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import fiftyone.operators as foo
from fiftyone.operators import types

from fiftyone_hs2s.dataset.fields import check_own_truth

from . import forms
from .execution import Outcome, execute
from .work import MaskOperator, Samples, chosen, evaluation_choice, field_choice, target

_COLUMNS = {
    "frames": "frames",
    "objects": "objects",
    "J": "J",
    "F": "F",
    "JF": "J&F",
    "paper": "for comparison: the HS2S paper on YouTube-VOS",
}


class Analyze(MaskOperator):
    """Shows how length and occlusion tell on J and F."""

    name = "analyze"
    label = "HS2S: analyze length and occlusion"
    risk = "low"
    description = "Compare early and late frames, and frames after occlusions"

    def fill(self, inputs: types.Object, ctx: foo.ExecutionContext) -> None:
        evaluation_choice(inputs, ctx.dataset, "Uses its scores and protocol; None to choose fields")
        if chosen(ctx, "eval_key"):
            return
        samples = ctx.target_view()
        field_choice(inputs, samples, "pred_field", "Predictions", "The propagated masks")
        field_choice(
            inputs, samples, "gt_field", "Ground truth", "The true masks", prefer=("ground_truth", "gt")
        )
        forms.match_input(inputs)
        check_own_truth(ctx.params.get("pred_field"), ctx.params.get("gt_field"))

    def execute(self, ctx: foo.ExecutionContext) -> Iterator[Any]:
        yield from execute(ctx, "Analyze", lambda report: _analyze(ctx, report), _outcome)

    def __call__(self, samples: Samples, delegate: bool = False, **params: Any) -> Any:
        """Runs the operator from Python.

        Args:
            samples: the videos
            delegate: whether to queue the work instead of doing it now
            **params: ``eval_key``, or ``pred_field``, ``gt_field`` and ``match``, as in ``analyze()``

        Returns:
            the operator's result
        """
        return foo.execute_operator(self.uri, target(samples), params=params, request_delegation=delegate)


def _outcome(found: Any) -> Outcome:
    rows = [{name: _text(row[name]) for name in _COLUMNS} for row in found.rows()]
    return Outcome(
        "the table was shown in a window", window=(_table(found.notes()).to_json(), {"rows": rows})
    )


def _analyze(ctx: foo.ExecutionContext, progress: Callable[[Any], None]) -> Any:
    from fiftyone_hs2s import analyze

    names = ("pred_field", "gt_field", "eval_key")
    match = None if chosen(ctx, "eval_key") else ctx.params.get("match")
    return analyze(ctx.target_view(), *(chosen(ctx, name) for name in names), match=match, progress=progress)


def _table(notes: Iterable[str]) -> types.Property:
    outputs, view = types.Object(), types.TableView()
    for name, label in _COLUMNS.items():
        view.add_column(name, label=label)
    outputs.list("rows", types.Object(), view=view, label="Length and occlusion")
    outputs.md("\n".join(f"- {note}" for note in notes), name="notes")
    return types.Property(outputs, view=types.View(label="Analysis"))


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{'J&F' if name == 'JF' else name} {number:.3f}" for name, number in value.items())
    if isinstance(value, float):
        return "-" if value != value else f"{value:.3f}"
    return str(value)
