from typing import Any

class GroupBy:
    @property
    def field_or_expr(self) -> Any: ...
