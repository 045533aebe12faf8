from typing import Any

from fiftyone.core.dataset import Dataset
from fiftyone.core.view import DatasetView
from fiftyone.operators import types as types
from fiftyone.operators.categories import Categories
from fiftyone.operators.operations import Operations
from fiftyone.operators.panel import PanelRef

class ExecutionContext:
    params: dict[str, Any]
    request_params: dict[str, Any]
    @property
    def active_fields(self) -> list[str]: ...
    @property
    def current_sample(self) -> str | None: ...
    @property
    def dataset(self) -> Dataset: ...
    @property
    def dataset_name(self) -> str: ...
    @property
    def delegated(self) -> bool: ...
    @property
    def ops(self) -> Operations: ...
    @property
    def panel(self) -> PanelRef: ...
    @property
    def panel_id(self) -> str | None: ...
    @property
    def view(self) -> DatasetView: ...
    def set_progress(self, progress: float | None = ..., label: str | None = ...) -> None: ...
    def target_view(self, param_name: str = ...) -> DatasetView: ...
    def trigger(self, operator_name: str, params: dict[str, Any] | None = ...) -> Any: ...

class OperatorConfig:
    def __init__(
        self,
        name: str,
        label: str | None = ...,
        description: str | None = ...,
        dynamic: bool = ...,
        execute_as_generator: bool = ...,
        unlisted: bool = ...,
        allow_immediate_execution: bool = ...,
        allow_delegated_execution: bool = ...,
        **kwargs: Any,
    ) -> None: ...

class PanelConfig(OperatorConfig):
    def __init__(
        self,
        name: str,
        label: str,
        help_markdown: str | None = ...,
        category: Categories | None = ...,
        icon: str | None = ...,
        surfaces: str = ...,
        **kwargs: Any,
    ) -> None: ...

class Operator:
    @property
    def config(self) -> OperatorConfig: ...
    @property
    def name(self) -> str: ...
    @property
    def uri(self) -> str: ...

class Panel(Operator): ...

def execute_operator(operator_uri: str, ctx: Any = ..., **kwargs: Any) -> Any: ...
