from typing import Any

import numpy as np
from typing_extensions import Self

class Instance:
    def __init__(self, *args: Any, **kwargs: Any) -> None: ...
    @property
    def id(self) -> str: ...

class Label:
    """Labels have attributes of users' own."""

    id: str
    tags: list[str]
    def __init__(self, *args: Any, **kwargs: Any) -> None: ...
    def __getattr__(self, name: str) -> Any: ...
    def __setattr__(self, name: str, value: Any) -> None: ...
    def __getitem__(self, name: str) -> Any: ...
    def __setitem__(self, name: str, value: Any) -> None: ...
    def copy(self) -> Self: ...
    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> Self: ...
    def has_field(self, field_name: str) -> bool: ...
    def to_dict(self, extended: bool = ...) -> dict[str, Any]: ...

class _Object(Label):
    label: str | None
    index: int | None
    instance: Instance | None

class Classification(Label):
    label: str | None

class Classifications(Label):
    classifications: list[Classification]

class Detection(_Object):
    bounding_box: list[float]
    mask: np.ndarray | None
    mask_path: str | None
    confidence: float | None
    @classmethod
    def from_mask(cls, mask: np.ndarray, label: str | None = ..., **attributes: Any) -> Detection: ...
    def get_mask(self) -> np.ndarray | None: ...
    @property
    def has_mask(self) -> bool: ...

class Detections(Label):
    detections: list[Detection]

class Polyline(_Object):
    points: list[list[tuple[float, float]]]
    closed: bool
    filled: bool

class Polylines(Label):
    polylines: list[Polyline]

class Keypoint(_Object):
    points: list[tuple[float, float]]

class Keypoints(Label):
    keypoints: list[Keypoint]

class Segmentation(Label):
    mask: np.ndarray | None
    mask_path: str | None
    def get_mask(self) -> np.ndarray | None: ...
    @property
    def has_mask(self) -> bool: ...

class Heatmap(Label):
    map: np.ndarray | None
    map_path: str | None
    range: list[float] | None

class TemporalDetection(Label):
    label: str | None
    support: list[int]

class TemporalDetections(Label):
    detections: list[TemporalDetection]
