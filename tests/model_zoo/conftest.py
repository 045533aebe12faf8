from __future__ import annotations

from fiftyone_kit import broken_video, dataset, sample, video  # noqa: F401  (fixtures)
