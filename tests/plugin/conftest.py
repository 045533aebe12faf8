from __future__ import annotations

from pathlib import Path

import fiftyone as fo
import fiftyone.operators as foo
import pytest
from fiftyone_fixtures import broken_video, dataset, sample, scored_dataset, video  # noqa: F401
from fiftyone_kit import color_model

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


@pytest.fixture
def operator():
    """The propagate operator."""
    return foo.get_operator("@hs2s/hs2s/propagate")


@pytest.fixture
def models(monkeypatch):
    """Colors instead of the networks; returns how they were asked for."""
    asked = []
    monkeypatch.setattr(
        "fiftyone_hs2s.dataset.propagate.model.load_model",
        lambda *a, **k: asked.append((a, k)) or color_model(),
    )
    return asked
