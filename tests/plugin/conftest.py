from __future__ import annotations

from pathlib import Path

import fiftyone as fo
import pytest
from fiftyone_fixtures import broken_video, dataset, sample, scored_dataset, video  # noqa: F401

from fiftyone_hs2s import evaluate_propagation

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    """The repository as the only plugin."""
    folder, before = tmp_path_factory.mktemp("plugins"), fo.config.plugins_dir
    (folder / "hs2s").symlink_to(REPO)
    fo.config.plugins_dir = str(folder)
    yield
    fo.config.plugins_dir = before


@pytest.fixture
def evaluated(scored_dataset) -> fo.Dataset:  # noqa: F811
    evaluate_propagation(scored_dataset, "pred", "gt", "ev")
    return scored_dataset
