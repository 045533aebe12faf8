"""The events that the panel lists, and where a click on one leads."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fiftyone as fo
import fiftyone.operators as foo
from fiftyone.operators import types

from fiftyone_hs2s.dataset.compat import is_clips, is_image_groups
from fiftyone_hs2s.dataset.diagnose.event_labels import temporal_detection
from fiftyone_hs2s.dataset.evaluate.compare import load_evaluation
from fiftyone_hs2s.dataset.evaluate.evaluation_results import PropagationResults
from fiftyone_hs2s.dataset.find_sequences import find_sequences
from fiftyone_hs2s.dataset.sample_views import select_sample
from fiftyone_hs2s.metrics import find_events

from .guarded import guarded
from .panel_content import put_data

_MOST = 40
"""Rows that are listed at most."""

Target = tuple[str, int]
"""Id of a sample, and number of the frame to open it at."""


@dataclass
class Rows:
    """The rows of a table, and where a click on each leads."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)


def dataset_events(dataset: fo.Dataset, sample_id: str | None = None, field: str | None = None) -> Rows:
    """The events that ``find_failures()`` has written, the most severe first.

    Args:
        dataset: the dataset
        sample_id: the sample whose events to list; None for those of all samples
        field: the field with the predictions, without ``frames.``; None for any
    """
    found = []
    view = dataset if sample_id is None else dataset.select(sample_id)
    for name in _event_fields(dataset) if field is None else {f"{field}_events"} & _event_fields(dataset):
        columns = view.values(["id", "filepath", f"{name}.detections"])
        for owner, path, events in zip(*columns, strict=True):
            found += [_row(event, owner, Path(path).name) for event in events or ()]
    return _worst(found)


def scored_events(results: PropagationResults, sample_id: str) -> Rows:
    """The events of a sample, from the series of an evaluation, the most severe first."""
    found = []
    for key, entry in results.series.items():
        if entry.sample_id == sample_id:
            names = results.names(key)
            for event in find_events(results.scores(key), protocol=results.config.protocol):
                found.append(_row(temporal_detection(event, names), sample_id, ""))
    return _worst(found)


def _event_fields(dataset: fo.Dataset) -> set[str]:
    fields = dataset.get_field_schema(embedded_doc_type=fo.TemporalDetections)
    return {name for name in fields if name.endswith("_events")}


def _row(event: fo.TemporalDetection, sample_id: str, file: str) -> tuple[float, dict[str, Any], Target]:
    first, last = event.support
    values = {name: event[name] if event.has_field(name) else None for name in ("severity", "worst_frame")}
    row = {
        "event": event.label,
        "sample": file,
        "frames": str(first) if first == last else f"{first}-{last}",
        "why": event["explanation"] if event.has_field("explanation") else "",
    }
    return values["severity"] or 0.0, row, (sample_id, values["worst_frame"] or first)


def _worst(found: list[tuple[float, dict[str, Any], Target]]) -> Rows:
    ordered = sorted(found, key=lambda item: -item[0])[:_MOST]
    return Rows([row for _, row, _ in ordered], [target for _, _, target in ordered])


def go_to(ctx: foo.ExecutionContext, target: Target) -> None:
    """Opens a sample at a frame, or moves the open one there."""
    sample_id, frame = target
    if ctx.current_sample:
        move(ctx, ctx.current_sample, frame)
    else:
        open_sample(ctx, sample_id, frame)


def open_sample(ctx: foo.ExecutionContext, sample_id: str, frame: int) -> None:
    """Opens a sample at a frame, if need be outside of the view."""
    if is_clips(ctx.view) or not ctx.view.select(sample_id):
        ctx.ops.close_sample()
        ctx.ops.set_view(ctx.dataset.select(sample_id))
        move(ctx, sample_id, frame, open=True)  # which waits for the view
    else:
        ctx.ops.open_sample(id=sample_id)
        move(ctx, sample_id, frame)


def move(ctx: foo.ExecutionContext, sample_id: str, frame: int, **more: bool) -> Any:
    """Moves the open sample, or one that is opening, to a frame, by ``assets/open_sample.js``."""
    params: dict[str, Any] = {"sample_id": sample_id, "frame_number": frame, **more}
    if len(images := _images(ctx, sample_id)) > 1:
        params["image_id"] = images[frame - 1]
    return ctx.trigger("@hs2s/hs2s/go_to_frame", params=params)


def video_id(ctx: foo.ExecutionContext) -> str:
    """The id of the open video, also where a clip of it is open; that of the first image of a group."""
    assert ctx.current_sample is not None
    if ctx.view is not None and is_clips(ctx.view):
        return next(iter(ctx.view.select(ctx.current_sample).values("sample_id")), ctx.current_sample)
    return _images(ctx, ctx.current_sample)[0]


def open_number(ctx: foo.ExecutionContext) -> int:
    """The number of the image that is open in its group; 1 for videos, whose player tells the frame."""
    return _images(ctx, str(ctx.current_sample)).index(str(ctx.current_sample)) + 1


def _images(ctx: foo.ExecutionContext, sample_id: str) -> list[str]:
    """The ids of the images of a group, given one; that of the sample alone if it is in none."""
    if ctx.view is None or not is_image_groups(ctx.view):
        return [sample_id]
    (sequence,) = find_sequences(select_sample(ctx.view, sample_id))
    return list(sequence.sample_ids)


def worst_of_clip(clips: fo.DatasetView, clip_id: str) -> int | None:
    """The worst frame of the event that a clip was made of; None if it was made of something else."""
    for name in clips.get_field_schema(embedded_doc_type=fo.Classification):
        if clips.has_field(f"{name}.worst_frame"):
            return next(iter(clips.select(clip_id).values(f"{name}.worst_frame")), None)
    return None


class ListsEvents:
    """The panel's part that lists events, and leads to the frames where masks are worst."""

    @guarded
    def click_event(self, ctx: foo.ExecutionContext) -> None:
        """Opens the event's sample at its worst frame, or moves the open one there."""
        row = int(ctx.params["row"])
        if row >= 0:
            sample_id, frame = (ctx.panel.get_state("event_targets") or [])[row]
            go_to(ctx, (sample_id, frame))

    @guarded
    def click_curve(self, ctx: foo.ExecutionContext) -> None:
        """Moves the open sample to the frame whose score is clicked."""
        if (frame := ctx.params.get("x")) is not None:
            go_to(ctx, (str(ctx.current_sample), round(frame)))

    @guarded
    def go_to_worst(self, ctx: foo.ExecutionContext) -> None:
        """Moves the open sample to its worst frame: that of its event, if it is a clip of one."""
        go_to(ctx, (video_id(ctx), self._worst(ctx)))

    @guarded
    def open_video(self, ctx: foo.ExecutionContext) -> None:
        """Opens the video of the open clip at the clip's worst frame."""
        open_sample(ctx, video_id(ctx), self._worst(ctx))

    def _worst(self, ctx: foo.ExecutionContext) -> int:
        worst = worst_of_clip(ctx.view, str(ctx.current_sample)) if is_clips(ctx.view) else None
        if worst is not None:
            return worst
        return load_evaluation(ctx.dataset, ctx.panel.get_state("eval_key")).worst_frame(video_id(ctx))

    def _list_events(self, ctx: foo.ExecutionContext, found: Rows) -> None:
        ctx.panel.set_state("event_targets", found.targets)
        put_data(ctx, "events", found.rows)

    def _render_events(self, panel: types.Object, ctx: foo.ExecutionContext) -> None:
        if ctx.panel.get_state("event_targets"):
            sample = {} if ctx.current_sample else {"sample": "Sample"}
            columns = {"event": "Event (severity)", **sample, "frames": "Frames", "why": "Why"}
            render_table(panel, "events", "Events, the worst first", columns, self.click_event)

    def _render_moves(self, panel: types.Object, ctx: foo.ExecutionContext) -> None:
        """Buttons that lead to the worst frame of the open sample."""
        clip = ctx.view is not None and is_clips(ctx.view)
        if clip or ctx.panel.get_state("shown") == "sample":
            panel.btn("worst", label="Go to the worst frame", on_click=self.go_to_worst)
        if clip:
            panel.btn("video", label="Open its video there", on_click=self.open_video)


def render_table(panel: types.Object, name: str, label: str, columns: dict[str, str], on_click: Any) -> None:
    """Adds a table whose cells can be clicked, the head too: there the row is -1.

    Args:
        panel: what to add it to
        name: the name of its rows in the panel's state
        label: its title
        columns: their titles, by key
        on_click: the panel's method that is called with ``row`` and ``column``
    """
    # FiftyOne's own table is wider than a panel.
    cell = {"sx": {"fontSize": "0.85rem", "px": 1, "cursor": "pointer"}}
    props = {"table": {"sx": {"minWidth": 0}}, "tableHeadCell": cell, "tableBodyCell": cell}
    table = types.TableView(on_click_cell=on_click, componentsProps=props, size="small")
    for key, title in columns.items():
        table.add_column(key, label=title)
    panel.list(name, types.Object(), label=label, view=table)
