from typing import Any

from fiftyone.core.collections import SampleCollection

def compute_similarity(
    samples: SampleCollection,
    patches_field: str | None = ...,
    *,
    embeddings: Any = ...,
    brain_key: str | None = ...,
    progress: Any = ...,
) -> Any: ...
