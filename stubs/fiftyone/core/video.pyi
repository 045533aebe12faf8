from typing import Any

from fiftyone.core.dataset import Dataset
from fiftyone.core.view import DatasetView

class FramesView(DatasetView): ...

def make_frames_dataset(sample_collection: Any, *args: Any, **kwargs: Any) -> Dataset: ...
