"""The names of FiftyOne that it does not promise to keep, in one place; everything else uses its public
ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timezone
from inspect import signature
from typing import Any, TypeAlias, TypeGuard

import fiftyone as fo
import fiftyone.core.clips as foc
import fiftyone.core.video as fov
from bson import ObjectId
from fiftyone.core.sample import SampleView
from pymongo import UpdateOne
from pymongo.collection import Collection

from fiftyone_hs2s.errors import HS2SError

Samples: TypeAlias = "fo.Dataset | fo.DatasetView"


def root_dataset(samples: Samples) -> fo.Dataset:
    """The dataset that a view shows; a dataset itself.

    It is the very object that the view holds. In the App's server, which keeps no singletons, one that is
    loaded by name is another object, and a field that is added to it is unknown to the view.
    """
    return _private(samples, "_root_dataset")


def collection_of(sample: fo.Sample | SampleView) -> Samples | None:
    """The dataset or view that a sample comes from; None if it is in none."""
    return _private(sample, "_collection")


def is_dynamic_groups(samples: Samples) -> TypeGuard[fo.DatasetView]:
    """Whether ``group_by()`` has put the samples together."""
    return isinstance(samples, fo.DatasetView) and _private(samples, "_is_dynamic_groups")


def is_image_groups(samples: Samples) -> TypeGuard[fo.DatasetView]:
    """Whether the samples are images that ``group_by()`` has put together."""
    return is_dynamic_groups(samples) and _private(samples, "_parent_media_type") == "image"


def group_stage(groups: fo.DatasetView) -> fo.GroupBy:
    """The stage that has put the images of a view together."""
    return next(stage for stage in reversed(_private(groups, "_stages")) if isinstance(stage, fo.GroupBy))


def is_clips(samples: Samples) -> bool:
    """Whether the samples are clips of videos."""
    return isinstance(samples, foc.ClipsView)


def frames_view(samples: Samples, output_dir: str | None) -> fo.DatasetView:
    """The sampled frames of videos as images in a folder, None for one beside each video; without a bar,
    where FiftyOne can be told so (1.14 cannot)."""
    quiet = {"progress": False} if "progress" in signature(fov.make_frames_dataset).parameters else {}
    return samples.to_frames(sample_frames=True, output_dir=output_dir, **quiet)


def dataset_id(dataset: fo.Dataset) -> ObjectId:
    """The id that a dataset keeps when it is renamed."""
    return _private(dataset, "_doc").id


def sample_collection(dataset: fo.Dataset) -> Collection:
    """Where the database keeps a dataset's samples."""
    return _private(dataset, "_sample_collection")


def frame_collection(dataset: fo.Dataset) -> Collection | None:
    """Where the database keeps the frames of a dataset of videos; None if it has none."""
    return _private(dataset, "_frame_collection")


def add_frames(dataset: fo.Dataset, sample_id: str, numbers: Iterable[int]) -> None:
    """Adds frames of a video that are not there yet; those that are stay as they are."""
    frames = frame_collection(dataset)
    assert frames is not None, "the dataset holds videos"
    now, video = datetime.now(timezone.utc), ObjectId(sample_id)
    new = {"_dataset_id": dataset_id(dataset), "created_at": now, "last_modified_at": now}
    keys = ({"_sample_id": video, "frame_number": number} for number in numbers)
    frames.bulk_write([UpdateOne(key, {"$setOnInsert": new}, upsert=True) for key in keys], ordered=False)


def needs_frames(view: fo.DatasetView) -> bool:
    """Whether a view looks at the frames of its videos, as filters of their labels do."""
    return _private(view, "_needs_frames")()


def aggregate_frames(view: fo.DatasetView, stages: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The documents of the frames that a view shows, after more stages in MongoDB's form."""
    yield from _private(view, "_aggregate")(frames_only=True, post_pipeline=stages)


def view_stages(samples: Samples) -> list[dict[str, Any]]:
    """The stages of a view in a form that :func:`build_view` takes, in another process too; none for a
    dataset."""
    return [] if isinstance(samples, fo.Dataset) else _private(samples, "_serialize")()


def build_view(dataset: fo.Dataset, stages: list[dict[str, Any]]) -> fo.DatasetView:
    """Makes a view of a dataset from its :func:`view_stages`."""
    return _private(fo.DatasetView, "_build")(dataset, stages)


def delete_empty_sidebar_group(samples: Samples, name: str) -> None:
    """Removes a group of the App's sidebar that lists no field any more; it only stays there if it cannot
    be."""
    with suppress(HS2SError):
        _private(samples, "_delete_empty_sidebar_group")(name)


def _private(owner: Any, name: str) -> Any:
    try:
        return getattr(owner, name)
    except AttributeError as error:
        raise HS2SError(
            f"FiftyOne {fo.__version__} has no {type(owner).__name__}.{name}, which fiftyone-hs2s relies on: "
            "upgrade fiftyone-hs2s, or install the FiftyOne that its constraints.txt names"
        ) from error
