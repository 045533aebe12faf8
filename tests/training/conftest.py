from __future__ import annotations

from pathlib import Path

import pytest
from fiftyone_fixtures import broken_video, dataset, sample, scored_dataset, video  # noqa: F401
from training_kit import write_square

from fiftyone_hs2s.training import building


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder to train on."""
    return write_square(tmp_path)


@pytest.fixture(autouse=True)
def _no_imagenet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(building, "load_imagenet", lambda network: None)
