"""Frame numbers in messages are FiftyOne's, from 1 and those of the whole video, where a FiftyOne user
reads them."""

from __future__ import annotations

import logging
from functools import partial

import numpy as np
import pytest
from fiftyone_kit import H, W, color_model, prompted_sample, prompts

from fiftyone_hs2s import HS2SError, evaluate_propagation, propagate
from fiftyone_hs2s.dataset.propagate.prompt_readers import read_detections
from fiftyone_hs2s.dataset.propagate.prompts import collect_prompts
from fiftyone_hs2s.dataset.train.training_data import read_videos
from fiftyone_hs2s.tracking import open_frames, track
from fiftyone_hs2s.training.data.annotated_video import open_video


@pytest.fixture(params=[None, [[(3, 8)]]], ids=["video", "clip"])
def odd(request, dataset, video):
    """A video, or a clip of it, whose masks cannot be used on frame 5."""
    sample = prompted_sample(video, "gt")
    sample.frames[5].gt.detections[1].mask = np.ones((4, 4, 3), np.uint8)
    for frame in sample.frames.values():
        frame["pred"] = frame.gt.copy()
    dataset.add_sample(sample)
    return dataset.to_clips(request.param) if request.param else dataset


def test_masks_that_cannot_be_used(odd, caplog):
    report = propagate(odd, color_model(), prompt_field="gt", label_field="out", overwrite=True)
    assert "frame 5, its mask has shape" in next(iter(report.failed.values()))
    with pytest.raises(HS2SError, match="frame 5: its mask has shape"):
        evaluate_propagation(odd, "pred", "gt")
    with caplog.at_level(logging.WARNING):
        odd.apply_model(color_model(), label_field="out", prompt_field="frames.gt", progress=False)
    assert "frame 5, its mask has shape" in caplog.text
    (stored,) = read_videos(odd, "gt")
    with pytest.raises(HS2SError, match="frame 5, its mask has shape"):
        list(open_video(stored).truth())


SHORT = np.zeros((4, H, W, 3), np.uint8)


def beyond(first_number: int):
    """A prompt on the seventh frame of what turns out to be a video of four."""
    announced = open_frames(np.zeros((9, H, W, 3), np.uint8))
    read = partial(read_detections, size=(H, W), targets={})
    return collect_prompts([(6, prompts(4))], read, lambda index: prompts(4), announced, first_number)


@pytest.mark.parametrize(("first_number", "number"), [(1, 7), (41, 47)])
def test_a_prompt_beyond_the_end(first_number, number):
    with pytest.raises(
        HS2SError, match=rf"mask for frame {number}, which cannot be read\. The video has 4 frames"
    ):
        color_model().plan(open_frames(SHORT), beyond(first_number))


def test_without_fiftyone_frames_count_from_0_and_that_is_said():
    with pytest.raises(HS2SError, match=r"mask for frame 6 \(counted from 0\), which cannot be read"):
        list(track(color_model().tracker, open_frames(SHORT), beyond(1)))
