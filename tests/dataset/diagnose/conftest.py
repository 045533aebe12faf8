from __future__ import annotations

import fiftyone as fo
import pytest
from evaluation_kit import labeled_sample
from failure_kit import hidden_truth, lost_prediction


@pytest.fixture
def occluded(dataset, video) -> fo.Dataset:
    dataset.add_sample(labeled_sample(video, hidden_truth, lost_prediction))
    return dataset
