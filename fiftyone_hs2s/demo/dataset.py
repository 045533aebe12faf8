"""The demo's FiftyOne dataset."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import fiftyone as fo
import numpy as np

from fiftyone_hs2s.dataset.labels import Identity, detection_mask, label_map_to_detections
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.masks import join_masks, object_ids

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
    sample = fo.Sample(filepath=path)
    identities: dict[int, Identity] = {}
    for number, label_map in enumerate(label_maps, start=1):
        for i in object_ids(label_map):
            identities.setdefault(i, Identity(labels.get(i, f"object {i}"), i, fo.Instance()))
        sample.frames[number] = fo.Frame(**{TRUTH: label_map_to_detections(label_map, identities)})
    dataset.add_sample(sample)
    sample.compute_metadata()
    return dataset, sample


def open_dataset(name: str) -> fo.Dataset:
    """The persistent video dataset of that name, made if there is none.

    Raises:
        HS2SError: if it has other media
    """
    if not fo.dataset_exists(name):
        dataset = fo.Dataset(name, persistent=True)
        dataset.media_type = "video"
        dataset.app_config.color_scheme = fo.ColorScheme(color_by="instance")
        dataset.save()
        return dataset
    dataset = fo.load_dataset(name)
    if dataset.media_type != "video":
        raise HS2SError(f"the dataset {name!r} holds {dataset.media_type} samples, not videos: give another --dataset")
    return dataset


def read_label_maps(sample: fo.Sample, field: str, size: tuple[int, int]) -> Iterator[np.ndarray | None]:
    """The label maps of a sample's frames, (H, W), by the detections' index; None where a frame has no labels."""
    for _, frame in sample.frames.items():
        labels = frame[field] if frame.has_field(field) else None
        if labels is None:
            yield None
            continue
        masks = ((detection.index, detection_mask(detection, size)) for detection in labels.detections)
        yield join_masks({index: mask for index, mask in masks if mask is not None}, size)
