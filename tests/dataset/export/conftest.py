from __future__ import annotations

import pytest
from export_kit import hard_sample


@pytest.fixture
def hard(dataset, video):
    dataset.add_sample(hard_sample(video, sequence="walk"))
    return dataset
