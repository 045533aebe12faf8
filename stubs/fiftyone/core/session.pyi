from typing import Any

class Session:
    @property
    def url(self) -> str: ...
    def wait(self, wait: float = ...) -> None: ...

def launch_app(
    dataset: Any = ..., view: Any = ..., sample_id: str | None = ..., **kwargs: Any
) -> Session: ...
