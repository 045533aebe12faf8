from __future__ import annotations

import fiftyone as fo
import pytest
from evaluation_kit import labeled_sample, true_labels
from failure_kit import hidden_truth, lost_prediction, switched


@pytest.fixture
def occluded(dataset, video) -> fo.Dataset:
    dataset.add_sample(labeled_sample(video, hidden_truth, lost_prediction))
    return dataset


@pytest.fixture
def three(dataset, video, tmp_path) -> fo.Dataset:
    """A good sample, one whose square 0 is lost, and one in which it is mixed up with square 1."""
    for name, pred in {"good": true_labels, "lost": lost_prediction, "switched": switched}.items():
        path = tmp_path / f"{name}.mp4"
        path.symlink_to(video)
        dataset.add_sample(labeled_sample(path, hidden_truth if name == "lost" else true_labels, pred))
    return dataset
