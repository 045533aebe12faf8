from __future__ import annotations

from pathlib import Path

import pytest
from fiftyone_fixtures import broken_video, dataset, sample, scored_dataset, video  # noqa: F401

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    """The repository as the only plugin."""
    import fiftyone as fo

    folder, before = tmp_path_factory.mktemp("plugins"), fo.config.plugins_dir
    (folder / "hs2s").symlink_to(REPO)
    fo.config.plugins_dir = str(folder)
    yield
    fo.config.plugins_dir = before
