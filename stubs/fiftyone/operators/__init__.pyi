from typing import Any

from fiftyone.operators import types as types
from fiftyone.operators.categories import Categories
from fiftyone.operators.executor import ExecutionContext as ExecutionContext

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

class PipelineOperator(Operator): ...
class Panel(Operator): ...

def execute_operator(operator_uri: str, ctx: Any = ..., **kwargs: Any) -> Any: ...
