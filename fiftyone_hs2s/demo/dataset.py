"""The demo's FiftyOne dataset."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import fiftyone as fo
import numpy as np

from fiftyone_hs2s.dataset.objects import render
from fiftyone_hs2s.dataset.video_samples import open_dataset, video_sample

TRUTH, TRACKED = "ground_truth", "hs2s"


def put_video(
    name: str, video: Path, label_maps: Iterable[np.ndarray], labels: Mapping[int, str]
) -> tuple[fo.Dataset, fo.Sample]:
    """Puts a video and its masks into a persistent dataset, in place of what was there of the same video.

    Args:
        name: of the dataset, which is made if there is none
        video: the file
        label_maps: of the first frames, uint8 or uint16 (H, W)
        labels: what the objects are, by id; the others are called "object 1", "object 2", ...

    Returns:
        the dataset and the video's sample

    Raises:
        HS2SError: if there is a dataset of that name with other media
    """
    dataset = open_dataset(name)
    path = str(video.resolve())
    dataset.delete_samples(dataset.match(fo.ViewField("filepath") == path))
    sample = video_sample(video, enumerate(label_maps, start=1), TRUTH, labels)
    dataset.add_sample(sample)
    sample.compute_metadata()
    return dataset, sample


def read_label_maps(sample: fo.Sample, field: str, size: tuple[int, int]) -> Iterator[np.ndarray | None]:
    """The label maps of a sample's frames, (H, W), by the detections' index; None where a frame has no
    labels."""
    for _, frame in sample.frames.items():
        labels = frame[field] if frame.has_field(field) else None
        yield render(labels, size, lambda key: int(key[1] or 0), kind="index").label_map
