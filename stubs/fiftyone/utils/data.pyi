from typing import Any

class GenericSampleDatasetImporter:
    dataset_dir: str | None
    shuffle: bool
    seed: int | None
    max_samples: int | None
    def __init__(
        self,
        dataset_dir: Any = ...,
        shuffle: bool = ...,
        seed: int | None = ...,
        max_samples: int | None = ...,
    ) -> None: ...
    def _preprocess_list(self, l: list[Any]) -> list[Any]: ...

class BatchDatasetExporter:
    export_dir: str | None
    def __init__(self, export_dir: Any = ...) -> None: ...
