"""Fixtures of the FiftyOne side.

FiftyOne connects to a database when it is imported. The conftest files that use these fixtures may be loaded
before tests/conftest.py has set up its own database, so nothing here imports FiftyOne before a fixture is
used.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def video(tmp_path_factory) -> Path:
    """The two squares in 12 frames."""
    from fiftyone_kit import T, picture, write_video

    return write_video(tmp_path_factory.mktemp("video") / "squares.mp4", [picture(n + 1) for n in range(T)])


@pytest.fixture(scope="session")
def broken_video(tmp_path_factory) -> Path:
    """A video of 60 frames that ends half-way."""
    from fiftyone_kit import H, T, W, picture, write_video

    # All frames take about as many bytes.
    noise = np.random.default_rng(0).integers(0, 40, (60, H, W, 3), np.uint8)
    frames = [np.maximum(picture(min(n + 1, T)) // 2, noise[n]) for n in range(60)]
    path = write_video(tmp_path_factory.mktemp("broken") / "broken.mp4", frames)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


@pytest.fixture
def dataset():
    """An empty dataset, deleted afterwards."""
    import fiftyone as fo

    dataset = fo.Dataset()
    yield dataset
    dataset.delete()


@pytest.fixture
def sample(dataset, video):
    """A sample whose only frame document is frame 4, with the masks of both squares."""
    import fiftyone as fo
    from fiftyone_kit import prompts

    sample = fo.Sample(filepath=str(video))
    sample.frames[4]["gt"] = prompts(4)
    dataset.add_sample(sample)
    return sample


@pytest.fixture
def scored_dataset(dataset, video):
    """A dataset with one sample of known scores."""
    from evaluation_kit import labeled_sample

    dataset.add_sample(labeled_sample(video))
    return dataset
