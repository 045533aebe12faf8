"""The operator that proposes the frame to correct next, and shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import fiftyone.operators as foo
from fiftyone.operators import types

from fiftyone_hs2s.dataset.compat import is_image_groups

from . import forms
from .execution import Outcome, execute, is_in_app, named
from .panel_events import move
from .work import MaskOperator, Samples, field_choice, open_samples, target


class SuggestFrame(MaskOperator):
    """Proposes the frame whose correction should help most; the open sample's player goes there."""

    name = "suggest_frames"
    label = "HS2S: which frame next?"
    description = "Propose the frame to correct next"
    button = "Which frame next?"

    def fill(self, inputs: types.Object, ctx: foo.ExecutionContext) -> None:
        field_choice(
            inputs, open_samples(ctx), "pred_field", "Field", "The masks, and those that you corrected"
        )
        about = (
            "Also track the objects back, and look where the masks differ: takes as long as the propagation"
        )
        inputs.bool("track_back", default=False, label="Track back", description=about)
        inputs.bool("tag", default=False, label="Tag", description="Tag the samples: hs2s: next frame")

    def execute(self, ctx: foo.ExecutionContext) -> Iterator[Any]:
        forms.check_requirements()
        found: list[Any] = []
        work = _suggest(ctx, found)
        yield from execute(ctx, "Which frame next?", work, lambda report: _outcome(ctx, report))
        if ctx.current_sample and is_in_app(ctx) and found and found[0].frames:
            yield move(ctx, ctx.current_sample, found[0].frames[0]["frame"])

    def __call__(self, samples: Samples, pred_field: str, delegate: bool = False, **params: Any) -> Any:
        """Runs the operator from Python.

        Args:
            samples: the videos
            pred_field: the frame field with the masks
            delegate: whether to queue the work instead of doing it now
            **params: ``track_back``, ``tag`` as in ``suggest_frames()``

        Returns:
            the operator's result
        """
        params = {"pred_field": pred_field, **params}
        return foo.execute_operator(self.uri, target(samples), params=params, request_delegation=delegate)


def _suggest(ctx: foo.ExecutionContext, found: list[Any]) -> Callable[[Callable[[Any], None]], Any]:
    def work(progress: Callable[[Any], None]) -> Any:
        from fiftyone_hs2s import suggest_frames

        options = {name: bool(ctx.params.get(name)) for name in ("track_back", "tag")}
        found.append(
            suggest_frames(open_samples(ctx), ctx.params["pred_field"], progress=progress, **options)
        )
        return found[0]

    return work


def _outcome(ctx: foo.ExecutionContext, report: Any) -> Outcome:
    samples = open_samples(ctx)
    problems = named(samples, report.problems)
    if len(report.frames) == 1:
        row = report.frames[0]
        where = f"image {row['frame']} of its group" if is_image_groups(samples) else f"frame {row['frame']}"
        return Outcome(f"{where}: {row['reason']}", problems)
    return Outcome(str(report), problems, warn=not report.frames)
