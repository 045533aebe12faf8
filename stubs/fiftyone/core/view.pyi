from collections.abc import Iterator

from fiftyone.core.collections import SampleCollection

class DatasetView(SampleCollection):
    @property
    def dataset_name(self) -> str: ...
    def iter_dynamic_groups(self, progress: object = ...) -> Iterator[DatasetView]: ...
