"""Making video datasets: a video and its label maps as a sample."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import fiftyone as fo
import numpy as np

from fiftyone_hs2s.dataset.coloring import color_by_instance
from fiftyone_hs2s.dataset.objects import Identity, label_map_to_detections
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.files import PathLike
from fiftyone_hs2s.masks import label_dtype, object_ids


def open_dataset(name: str | None, persistent: bool = True) -> fo.Dataset:
    """The video dataset of that name, made if there is none.

    Args:
        name: the name; None for a new dataset
        persistent: whether one that is made outlives the session

    Raises:
        HS2SError: if it has other media
    """
    if name is None or not fo.dataset_exists(name):
        dataset = fo.Dataset(name, persistent=persistent)
        dataset.media_type = "video"
        color_by_instance(dataset)
        return dataset
    dataset = fo.load_dataset(name)
    if dataset.media_type != "video":
        raise HS2SError(
            f"the dataset {name!r} holds {dataset.media_type} samples, not videos: choose another name"
        )
    return dataset


def video_sample(
    video: PathLike,
    masks: Iterable[tuple[int, np.ndarray | Mapping[int, np.ndarray]]],
    field: str,
    labels: Mapping[int, str] | None = None,
    **fields: object,
) -> fo.Sample:
    """A sample of a video, with its masks as detections: an object keeps its index and instance on all
    frames.

    Args:
        video: the file
        masks: by frame number, from 1: a label map, uint8 or uint16 (H, W), or the bool mask (H, W) of each
            object by id, which may overlap
        field: the frame field for the detections
        labels: what the objects are, by id; the others are called "object 1", "object 2", ...
        **fields: values of sample fields
    """
    sample = fo.Sample(filepath=str(Path(video).resolve()), **fields)
    identities: dict[int, Identity] = {}
    for number, given in masks:
        layers = _layers(given) if isinstance(given, Mapping) else [given]
        for i in (i for layer in layers for i in object_ids(layer)):
            identities.setdefault(i, Identity((labels or {}).get(i, f"object {i}"), i, str(fo.Instance().id)))
        found = [d for layer in layers for d in label_map_to_detections(layer, identities).detections]
        sample.frames[number] = fo.Frame(**{field: fo.Detections(detections=found)})
    return sample


def _layers(masks: Mapping[int, np.ndarray]) -> list[np.ndarray]:
    """A label map for each mask."""
    return [mask * label_dtype([i])(i) for i, mask in masks.items()]
