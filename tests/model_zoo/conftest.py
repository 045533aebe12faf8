from __future__ import annotations

from fiftyone_fixtures import broken_video, dataset, sample, video  # noqa: F401
