from __future__ import annotations

import pytest
from fiftyone_kit import (
    color_model,
)


@pytest.fixture(scope="module")
def model():
    return color_model()


@pytest.fixture
def steps(model, monkeypatch):
    """The frames that the tracker is shown."""
    shown = []
    step = model.tracker.step
    monkeypatch.setattr(
        model.tracker, "step", lambda frame, masks=None: [shown.append(1), step(frame, masks)][1]
    )
    return shown
