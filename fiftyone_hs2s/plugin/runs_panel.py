"""The panel of the runs: the progress and outcome of work that was started in the App, and a way to cancel
it."""

from __future__ import annotations

import fiftyone.operators as foo
from fiftyone.operators import types
from fiftyone.operators.categories import Categories

from .execution import PANEL, announce, describe, problem_rows, problem_table, problems_of
from .runs import Run, list_runs

_SHOWN = 5
_INTERVAL = 1000
"""Milliseconds between two looks."""


class RunsPanel(foo.Panel):
    """Shows the runs on the open dataset, the newest first."""

    @property
    def config(self) -> foo.PanelConfig:
        return foo.PanelConfig(
            name=PANEL,
            label="HS2S runs",
            icon="/assets/icon-light.svg",
            light_icon="/assets/icon-light.svg",
            dark_icon="/assets/icon-dark.svg",
            surfaces="grid",
            category=Categories.CUSTOM,
            help_markdown=(
                "Work of HS2S in the App, until its server ends. It continues when this panel is closed."
            ),
            allow_multiple=False,
        )

    def on_load(self, ctx: foo.ExecutionContext) -> None:
        """Shows the runs of this server."""
        self.look(ctx)

    def look(self, ctx: foo.ExecutionContext) -> None:
        """Shows the progress of the runs; their outcome is announced by the first panel that learns of it."""
        for run in list_runs(ctx.dataset_name):
            if run.state != "running" and not run.announced:
                for _ in announce(ctx, run):
                    pass

    def cancel(self, ctx: foo.ExecutionContext) -> None:
        """Cancels a run."""
        for run in list_runs(ctx.dataset_name):
            if run.id == ctx.params.get("run"):
                run.cancel()

    def render(self, ctx: foo.ExecutionContext) -> types.Property:
        panel = types.Object()
        runs = list_runs(ctx.dataset_name)[:_SHOWN]
        if not runs:
            panel.md("Nothing has been started on this dataset.", name="nothing")
        for run in runs:
            self._render_run(panel, run, ctx)
        panel.obj("clock", view=types.TimerView(interval=_INTERVAL, on_interval=self.look))
        return types.Property(panel)

    def _render_run(self, panel: types.Object, run: Run, ctx: foo.ExecutionContext) -> None:
        if run.state == "running":
            panel.md(f"**{run.title}**", name=f"title_{run.id}")
            bar = types.ProgressView(label=describe(run))
            panel.float(f"bar_{run.id}", default=run.progress, view=bar)
            panel.btn(f"cancel_{run.id}", label="Cancel", on_click=self.cancel, params={"run": run.id})
            return
        panel.md(f"**{run.title}: {run.state}.** {describe(run)}", name=f"title_{run.id}")
        if problems := problems_of(run):
            problem_table(panel, f"problems_{run.id}")
            ctx.panel.set_state(f"problems_{run.id}", problem_rows(problems))
