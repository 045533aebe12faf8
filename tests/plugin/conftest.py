from __future__ import annotations

from evaluation_kit import scored_dataset  # noqa: F401
from fiftyone_fixtures import broken_video, dataset, sample, video  # noqa: F401
