from __future__ import annotations

from pathlib import Path

import pytest
from fiftyone_fixtures import dataset, video  # noqa: F401


@pytest.fixture
def home(tmp_path) -> Path:
    """An empty home."""
    folder = tmp_path / "home"
    folder.mkdir()
    return folder
