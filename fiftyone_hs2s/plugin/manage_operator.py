"""The operator that lists, renames and deletes runs with all that was written for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import fiftyone as fo
import fiftyone.operators as foo
from fiftyone.operators import types

from fiftyone_hs2s.dataset.frame_paths import field_name
from fiftyone_hs2s.dataset.label_runs import delete_run, get_run, list_runs, rename_run
from fiftyone_hs2s.errors import HS2SError

from . import forms
from .execution import Outcome, execute
from .work import MaskOperator, Samples, target

_RENAME, _DELETE = "rename", "delete"


class ManageRuns(MaskOperator):
    """Lists the runs of a dataset, and renames or deletes one."""

    name = "manage_runs"
    label = "HS2S: manage runs"
    description = "List runs with all that was written for them; rename or delete one"
    risk = "high"
    of_samples = False

    def fill(self, inputs: types.Object, ctx: foo.ExecutionContext) -> None:
        runs = {run.name: run for run in list_runs(ctx.dataset)}
        if not runs:
            raise HS2SError("there is no run yet: propagate or evaluate masks first")
        inputs.md("\n".join(f"- **{run.name}**: {run}" for run in runs.values()), name="runs")
        forms.choice(inputs, "run", {name: name for name in runs}, "Run", next(iter(runs)), required=True)
        actions = {_RENAME: "Rename", _DELETE: "Delete"}
        forms.choice(inputs, "action", actions, "What to do", _RENAME, required=True)
        run = runs.get(ctx.params.get("run") or next(iter(runs)))
        if ctx.params.get("action") == _DELETE and run:
            note = f"Deletes {run}. Masks that a person made stay. This cannot be undone."
            inputs.view("warning", types.Warning(label=note))
        else:
            about = "Of the field; what begins with the old name is renamed with it"
            inputs.str("new_name", required=True, label="New name", description=about)

    def execute(self, ctx: foo.ExecutionContext) -> Iterator[Any]:
        yield from execute(
            ctx, "Manage runs", lambda report: _manage(ctx.dataset, ctx.params, report), Outcome
        )

    def __call__(
        self, samples: Samples, run: str, new_name: str | None = None, delegate: bool = False
    ) -> Any:
        """Runs the operator from Python.

        Args:
            samples: the dataset
            run: the name of the run, which is that of its label field
            new_name: its new name; None to delete it
            delegate: whether to queue the work instead of doing it now

        Returns:
            the operator's result

        Raises:
            HS2SError: if there is no such run
        """
        name, action = get_run(samples, run).name, _RENAME if new_name else _DELETE
        params = {"run": name, "action": action, "new_name": new_name}
        return foo.execute_operator(self.uri, target(samples), params=params, request_delegation=delegate)


def _manage(dataset: fo.Dataset, params: dict[str, Any], progress: Callable[[str], None]) -> str:
    if params["action"] == _DELETE:
        progress("Deleting")
        return delete_run(dataset, params["run"])
    progress("Renaming")
    if not params.get("new_name"):
        raise HS2SError("the run has no new name: give one")
    run = rename_run(dataset, params["run"], field_name(params["new_name"]))
    return f"The run {params['run']!r} is called {run.name!r} now"
