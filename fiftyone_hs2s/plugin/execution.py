"""How an operator does its work: beside the App, which shows its progress and its outcome, or in a
queue."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import fiftyone as fo
import fiftyone.operators as foo
from fiftyone.operators import types
from fiftyone.operators.executor import ExecutionContext

from fiftyone_hs2s.dataset.compat import root_dataset
from fiftyone_hs2s.dataset.database import reason
from fiftyone_hs2s.dataset.sidebar import sidebar_groups

from .runs import Event, Run, list_runs, throttle

PANEL = "hs2s_runs"


class Outcome(NamedTuple):
    """What came of the work."""

    text: str
    problems: list[tuple[str, str]] = []  # noqa: RUF012
    """Samples that something is to be said about, and what."""
    warn: bool = False
    window: tuple[dict[str, Any], dict[str, Any]] | None = None
    """A window's schema and values to show it in, instead of a short note."""
    fields: tuple[str, ...] = ()
    """Fields that the App is to show, which leaves new ones unticked."""
    view: fo.DatasetView | None = None
    """What the App is to show."""

    def __str__(self) -> str:
        return ". ".join([self.text, *(f"{name}: {why}" for name, why in self.problems)])


def stage_context(ctx: foo.ExecutionContext) -> foo.ExecutionContext:
    """The context of a stage of a pipeline; another context as it is.

    FiftyOne gives all stages one context, in which it changes the request alone: parameters would be those of
    the pipeline's form, and a stage that works on in a thread would get those of the next one.
    """
    if not is_stage(ctx):
        return ctx
    if not ctx.delegated:  # else it reports its progress
        return ExecutionContext(
            ctx.request_params, executor=ctx.executor, operator_uri=ctx.operator_uri, pipeline=ctx.pipeline
        )
    ctx.params = ctx.request_params.get("params") or {}
    return ctx


def is_stage(ctx: foo.ExecutionContext) -> bool:
    """Whether an operator runs as a stage of a pipeline; older versions of FiftyOne have none."""
    return getattr(ctx, "pipeline", None) is not None


def execute(
    ctx: foo.ExecutionContext,
    title: str,
    work: Callable[[Callable[[Event], None]], Any],
    outcome: Callable[[Any], Outcome],
) -> Iterator[Any]:
    """Does an operator's work.

    In the App the work continues in a thread, whatever becomes of the page, and the operator is done at once:
    the panel of the runs shows its progress and its outcome. FiftyOne's own windows ("Executing", and one
    that opens again at each progress) would cover the App all the while. Only what is started over an open
    sample, where that panel cannot be opened, and what is called from Python, is waited for. The next stage
    of a pipeline starts when the one before is finished.

    Args:
        ctx: the operator's context
        title: what is done
        work: the work, called with a function that is told the progress: in words, or with a
            :class:`Progress`
        outcome: tells the outcome of the work, given what it returned

    Yields:
        what the App is to do
    """
    if ctx.delegated:
        queued = throttle(lambda event: _set_progress(ctx, event))
        ctx.set_progress(progress=1.0, label=f"Finished: {outcome(work(queued))}")
        return
    in_app = is_in_app(ctx)
    pipeline = ctx.pipeline if is_stage(ctx) else None
    before = next((run for run in list_runs(ctx.dataset_name) if pipeline and run.pipeline is pipeline), None)
    run = Run(title, ctx.dataset_name, lambda report: outcome(work(report)), pipeline, before)
    run.panel = {name: ctx.params[name] for name in ("panel_id", "panel_state") if name in ctx.params}
    run.start()
    if in_app and not ctx.current_sample:
        if before is None:
            yield ctx.ops.open_panel(PANEL, layout="vertical")
        return
    run.wait()
    yield from announce(ctx, run)
    if run.error is not None and (pipeline or not in_app):
        raise run.error


def is_in_app(ctx: foo.ExecutionContext) -> bool:
    """Whether the App asks, rather than Python."""
    return "spaces" in ctx.request_params


def announce(ctx: foo.ExecutionContext, run: Run) -> Iterator[Any]:
    """Tells the App, once, the outcome of a run that has ended: problems in a window that stays, else a
    short note.

    Yields:
        what the App is to do
    """
    run.announced = True
    ctx.dataset.reload()  # the run may have grouped fields
    yield ctx.trigger("@hs2s/hs2s/reload", params={"groups": sidebar_groups(ctx.dataset)})
    if run.state == "finished" and run.outcome.fields:
        yield ctx.ops.set_active_fields(list(dict.fromkeys([*ctx.active_fields, *run.outcome.fields])))
    if run.state == "finished" and run.outcome.view is not None:
        if ctx.current_sample:  # may not be in it
            yield ctx.ops.close_sample()
        yield ctx.ops.set_view(run.outcome.view)
    if run.error is not None:
        yield _window(ctx, f"{run.title} failed", describe(run), problems_of(run))
    elif run.state == "canceled":
        yield ctx.ops.notify(f"{run.title}: canceled", variant="warning")
    elif run.outcome.window:
        yield ctx.ops.show_output(*run.outcome.window)
    elif problems_of(run):
        yield _window(ctx, run.title, run.outcome.text, problems_of(run))
    else:
        variant = "warning" if run.outcome.warn else "success"
        yield ctx.ops.notify(f"{run.title}: {run.outcome.text}", variant=variant)
    if run.panel:
        # "hs2s_panel#reload" is found where an operator says it, and not where a panel does
        yield ctx.trigger("@hs2s/hs2s/hs2s_panel", params={**run.panel, "__method__": "reload"})


def problems_of(run: Run) -> list[tuple[str, str]]:
    """The samples that something is to be said about, and what."""
    failed = getattr(run.error, "problems", {})
    return run.outcome.problems if run.state == "finished" else list(failed.items())


def describe(run: Run) -> str:
    """The progress of a run, or its outcome."""
    if run.state == "finished":
        return run.outcome.text
    if run.state == "failed":
        return reason(run.error) if isinstance(run.error, Exception) else repr(run.error)
    return run.label


def named(samples: fo.Dataset | fo.DatasetView, problems: Iterable[dict[str, str]]) -> list[tuple[str, str]]:
    """Problems of samples, by file name.

    Args:
        samples: the samples
        problems: entries with ``sample_id`` and ``message``
    """
    rows = [(problem["sample_id"], problem["message"]) for problem in problems]
    view = root_dataset(samples).select({sample_id for sample_id, _ in rows})
    files = dict(zip(*view.values(["id", "filepath"]), strict=True))
    return [(Path(files.get(sample_id, sample_id)).name, message) for sample_id, message in rows]


def problem_table(inputs: types.Object, name: str) -> None:
    """Adds a table of samples and what is to be said about them."""
    table = types.TableView()
    table.add_column("sample", label="Sample")
    table.add_column("reason", label="Why")
    inputs.list(name, types.Object(), view=table)


def problem_rows(problems: list[tuple[str, str]]) -> list[dict[str, str]]:
    """What such a table shows."""
    return [{"sample": name, "reason": why} for name, why in problems]


def _window(ctx: foo.ExecutionContext, title: str, text: str, problems: list[tuple[str, str]]) -> Any:
    """A window that stays until it is closed."""
    outputs = types.Object()
    outputs.md(f"**{title}:** {text}", name="text")
    if problems:
        problem_table(outputs, "problems")
    schema = types.Property(outputs, view=types.View(label=title))
    return ctx.ops.show_output(schema.to_json(), {"problems": problem_rows(problems)})


def _set_progress(ctx: foo.ExecutionContext, event: Event) -> None:
    if isinstance(event, str):
        ctx.set_progress(label=event)
    else:
        ctx.set_progress(progress=event.progress, label=str(event))
