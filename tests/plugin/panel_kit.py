"""The panel as the App drives it."""

from __future__ import annotations

import fiftyone.operators as foo
from fiftyone.operators.executor import ExecutionContext, Executor

URI = "@hs2s/hs2s/hs2s_panel"
PLOTS = {"histogram", "time", "scatter"}


class Panel:
    """The panel with its state, as the App keeps it between events."""

    def __init__(self, dataset, **context):
        self.panel = foo.get_operator(URI)
        self.context = {"dataset_name": dataset.name, **context} if dataset is not None else context
        self.state: dict = {}
        self.data: dict = {}
        self.requests: dict = {}
        self.shown: dict = {}

    def do(self, event: str, **params) -> None:
        """Runs an event, then renders."""
        executor = Executor()
        request = {**self.context, "params": {"panel_id": "x", "panel_state": self.state, **params}}
        ctx = ExecutionContext(request, executor=executor, operator_uri=URI)
        getattr(self.panel, event)(ctx)
        self.requests = {r.operator_uri.rpartition("/")[2]: r.params for r in executor._requests}
        self.data |= ctx.panel.data._data
        self.shown = self.panel.render(ctx).type.properties

    @property
    def text(self) -> str:
        return self.state["message"]
