"""Videos of a dataset to train on, and what their frames and masks must be."""

from __future__ import annotations

import fiftyone as fo
import numpy as np
from fiftyone_kit import H, T, W, picture, prompts, truth

from fiftyone_hs2s.dataset.train.material import read_material
from fiftyone_hs2s.dataset.train.training_data import read_videos
from fiftyone_hs2s.training.clip_sources import Weighted, mixed_sources
from fiftyone_hs2s.training.data.annotated_video import OpenVideo, open_video
from fiftyone_hs2s.training.run_config import TrainingConfig

CONFIG = TrainingConfig.from_dict({"model": "hs2s-lite", "stages": [{"steps": 1}], "video_share": 0.25})


def dataset_sources(config: TrainingConfig, samples: fo.Dataset, field: str) -> list[Weighted]:
    videos, pictures = read_material(samples, field)
    return mixed_sources(config, videos, [pictures])


def opened(samples: fo.Dataset | fo.DatasetView, field: str) -> OpenVideo:
    """The annotated frames of the only video."""
    (video,) = read_videos(samples, field)
    return open_video(video)


def labeled(video, numbers=range(1, T + 1), indices=(0, 1), **attributes) -> fo.Sample:
    """A sample with the true masks on some frames."""
    sample = fo.Sample(filepath=str(video))
    for number in numbers:
        sample.frames[number] = fo.Frame(gt=prompts(number, indices), **attributes)
    return sample


def assert_shows(frames: np.ndarray, label_map: np.ndarray, number: int, ids: dict[int, int]) -> None:
    """Asserts that a frame and a label map are those of this frame number, with these ids by object."""
    expected = np.zeros((H, W), np.uint8)
    for index, mask in truth(number).items():
        if index in ids:
            expected[mask] = ids[index]
    np.testing.assert_array_equal(label_map, expected)
    # Compressed, and blurred at the squares' edges.
    assert np.abs(frames.astype(int) - picture(number)).mean() < 6
