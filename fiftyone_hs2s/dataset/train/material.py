"""What a training takes from FiftyOne: annotated videos, pictures, and sequences to validate on."""

from __future__ import annotations

from typing import NamedTuple

import fiftyone as fo

from fiftyone_hs2s.choices import did_you_mean
from fiftyone_hs2s.dataset.compat import Samples
from fiftyone_hs2s.dataset.train.training_checks import check_validation
from fiftyone_hs2s.dataset.train.training_data import StoredVideo, read_pictures, read_videos
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.training.data.pictures import Picture


class Material(NamedTuple):
    """What clips are made of; one of both is empty."""

    videos: list[StoredVideo]
    pictures: list[Picture]


def read_material(samples: Samples | str, field: str | None) -> Material:
    """The masks to train on.

    Args:
        samples: videos, clips of them, ordered groups of images, or images, which are moved; or a dataset's
            name
        field: their field of masks: a frame field of videos (``frames.`` may be left out), a field of images

    Raises:
        HS2SError: if there is no such dataset or field, or no sample can be used
    """
    samples = _load(samples)
    if samples.media_type == "image":
        return Material([], read_pictures(samples, _named(field)))
    return Material(read_videos(samples, _named(field)), [])


def read_validation(samples: Samples | str, field: str | None) -> list[StoredVideo]:
    """The sequences to validate on.

    Args:
        samples: videos, clips of them, or ordered groups of images; or the name of a dataset
        field: their field of masks

    Raises:
        HS2SError: if it is something else, or nothing that can be read with masks in the field
    """
    samples = _load(samples)
    check_validation(samples)
    return read_videos(samples, _named(field))


def _load(samples: Samples | str) -> Samples:
    if not isinstance(samples, str):
        return samples
    if samples not in fo.list_datasets():
        fix = did_you_mean(samples, fo.list_datasets()) if fo.list_datasets() else "make one first"
        raise HS2SError(f"There is no dataset {samples!r}: {fix}")
    return fo.load_dataset(samples)


def _named(field: str | None) -> str:
    if not field:
        raise HS2SError(
            "Name the field with the masks of the dataset (--gt-field), such as frames.ground_truth"
        )
    return field
