from typing import Any

from pymongo.database import Database

class ColorScheme:
    color_by: str | None
    color_pool: list[str] | None
    fields: list[dict[str, Any]] | None
    opacity: float | None
    def __init__(self, *args: Any, **kwargs: Any) -> None: ...

class SidebarGroupDocument:
    name: str
    paths: list[str]
    expanded: bool | None
    def __init__(self, *args: Any, **kwargs: Any) -> None: ...

class DatasetAppConfig:
    color_scheme: ColorScheme | None
    sidebar_groups: list[SidebarGroupDocument] | None
    @staticmethod
    def default_sidebar_groups(sample_collection: Any) -> list[SidebarGroupDocument]: ...

class Panel:
    component_id: str | None
    def __init__(self, **kwargs: Any) -> None: ...

class Space:
    def __init__(self, *args: Any, **kwargs: Any) -> None: ...

def get_db_conn() -> Database[dict[str, Any]]: ...
