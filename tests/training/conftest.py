from __future__ import annotations

from fiftyone_fixtures import broken_video, dataset, sample, scored_dataset, video  # noqa: F401
