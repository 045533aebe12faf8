from __future__ import annotations

from fiftyone_fixtures import dataset, video  # noqa: F401
