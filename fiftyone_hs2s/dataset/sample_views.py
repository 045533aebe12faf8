"""Samples as they are asked for: one as a view, all of a view's dataset, and their frame rates."""

from __future__ import annotations

import logging
from collections.abc import Collection

import fiftyone as fo
from fiftyone import ViewField as F
from fiftyone.core.sample import SampleView

from fiftyone_hs2s.dataset.compat import (
    Samples,
    collection_of,
    group_stage,
    is_dynamic_groups,
    is_image_groups,
    root_dataset,
)
from fiftyone_hs2s.dataset.frame_paths import is_images
from fiftyone_hs2s.errors import HS2SError

logger = logging.getLogger(__name__)


def as_view(samples: Samples | fo.Sample | SampleView) -> Samples:
    """A single sample, or a row of a view, as a view; a dataset or a view as it is.

    Raises:
        HS2SError: if the sample belongs to no dataset
    """
    if not isinstance(samples, fo.Sample | SampleView):
        return samples
    collection = collection_of(samples)
    if collection is None:
        raise HS2SError(f"the sample of {samples.filepath} belongs to no dataset: add it to one first")
    if collection.media_type == "group" and not is_dynamic_groups(collection):
        collection = collection.select_group_slices(media_type=samples.media_type)
    return select_sample(collection, samples.id)


def select_sample(samples: Samples, sample_id: str) -> fo.DatasetView:
    """The view of one sample; of image groups, that of the group with an image.

    Args:
        samples: where the sample is
        sample_id: the sample, a row of clips, or any image of a group

    Raises:
        HS2SError: if the images are grouped by an expression
    """
    if not is_image_groups(samples):
        return samples.select(sample_id)
    field = group_stage(samples).field_or_expr
    if not isinstance(field, str):
        raise HS2SError("the images are not grouped by the values of one field: use group_by() with a field")
    (value,) = root_dataset(samples).select(sample_id).values(field)
    return samples.match(F(field) == value)


def all_samples(samples: Samples) -> Samples:
    """All samples of a view's dataset; of a grouped one, which shows one slice at a time, all slices of
    that kind."""
    dataset = root_dataset(samples)
    if dataset.media_type != "group":
        return dataset
    return dataset.select_group_slices(media_type="image" if is_images(samples) else "video")


def frame_rates(samples: Samples, sample_ids: Collection[str]) -> dict[str, float]:
    """Frames per second, by sample id: that of each video; 6, as YouTube-VOS is annotated, for images.

    A video without known rate counts as one of 30, with a warning.
    """
    if is_images(samples):
        return dict.fromkeys(sample_ids, 6.0)
    view = all_samples(samples).select(list(sample_ids))
    view.compute_metadata(skip_failures=True, warn_failures=False, progress=False)
    rates = {}
    for sample_id, filepath, rate in zip(
        *view.values(["id", "filepath", "metadata.frame_rate"]), strict=True
    ):
        if not rate:
            logger.warning(
                "The frame rate of %s is not known: taken as 30; set the sample's metadata", filepath
            )
        rates[sample_id] = rate or 30.0
    return dict.fromkeys(sample_ids, 30.0) | rates
