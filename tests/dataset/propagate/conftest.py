from __future__ import annotations

import pytest
from fiftyone_kit import (
    color_model,
)


@pytest.fixture(scope="module")
def model():
    return color_model()
