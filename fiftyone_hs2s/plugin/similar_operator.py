"""The operator that shows tracks which look alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import fiftyone.operators as foo
from fiftyone.operators import types

from fiftyone_hs2s.dataset.census import list_names
from fiftyone_hs2s.dataset.fields import check_field
from fiftyone_hs2s.dataset.frame_paths import field_name

from . import forms
from .execution import Outcome, execute
from .work import NONE, MaskOperator, Samples, chosen, field_choice, open_samples, target


class FindSimilarTracks(MaskOperator):
    """Describes tracks by the tracker's encoder, and shows them, those like the open sample's first."""

    name = "find_similar_tracks"
    risk = "high"  # the frames are written as images
    label = "HS2S: find similar tracks"
    description = "Compute embeddings of tracked objects, and show a patch of each, those most like one first"

    def fill(self, inputs: types.Object, ctx: foo.ExecutionContext) -> None:
        forms.check_requirements()
        field_choice(inputs, ctx.target_view(), "label_field", "Tracks", "The tracked objects")
        field = ctx.params.get("label_field")
        if ctx.current_sample and field:
            names = {name: name for name in list_names(open_samples(ctx), field)}
            about = "The object of the open sample whose like is looked for"
            forms.choice(inputs, "object", {NONE: "All of them"} | names, "Like", NONE, about)
        forms.model_input(inputs)
        about = "Look at the objects again, also where there are embeddings"
        inputs.bool("overwrite", default=False, label="Compute anew", description=about)

    def execute(self, ctx: foo.ExecutionContext) -> Iterator[Any]:
        forms.check_requirements()
        yield from execute(ctx, "Find similar tracks", lambda report: _find(ctx, report), _outcome)

    def __call__(self, samples: Samples, label_field: str, delegate: bool = False, **params: Any) -> Any:
        """Runs the operator from Python.

        Args:
            samples: the videos
            label_field: the frame field with the tracked objects
            delegate: whether to queue the work instead of doing it now
            **params: ``model``, ``overwrite``

        Returns:
            the operator's result
        """
        params["label_field"] = forms.field_prefix(samples) + check_field(samples, label_field, "label")
        return foo.execute_operator(self.uri, target(samples), params=params, request_delegation=delegate)


def _find(ctx: foo.ExecutionContext, progress: Callable[[Any], None]) -> Any:
    from fiftyone_hs2s import compute_embeddings, find_similar_tracks, load_model, track_patches

    params, samples = ctx.params, ctx.target_view()
    field = params["label_field"]
    key, said = f"{field_name(field)}_tracks", ""
    if params.get("overwrite") or key not in ctx.dataset.list_brain_runs():
        progress("Loading the model")
        model = load_model(params.get("model") or None)
        report = compute_embeddings(samples, field, model=model, brain_key=key, progress=progress)
        failed, said = list(report.failed.items()), f"{report}; "
    else:
        failed = []
    progress("Sorting the tracks")
    like = ctx.current_sample
    if like:
        view = find_similar_tracks(ctx.dataset, field, key, like, chosen(ctx, "object"), k=None)
    else:
        view = track_patches(samples, field)
    return view, f"{said}{len(view)} track{'s' * (len(view) != 1)} shown", failed


def _outcome(found: Any) -> Outcome:
    view, text, failed = found
    return Outcome(text, failed, view=view)
