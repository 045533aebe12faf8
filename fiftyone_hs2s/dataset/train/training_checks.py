"""Whether samples can be trained on, or validated on."""

from __future__ import annotations

from fiftyone_hs2s.dataset.compat import Samples, is_image_groups, root_dataset
from fiftyone_hs2s.dataset.fields import check_detections
from fiftyone_hs2s.errors import HS2SError


def check_training_field(samples: Samples, field: str) -> None:
    """Makes sure that a field can be trained on.

    Raises:
        HS2SError: if the samples are neither videos nor images, or the field holds no ``Detections``
    """
    check_training_samples(samples)
    check_detections(samples, field)


def check_training_samples(samples: Samples) -> None:
    """Makes sure that there is something to train on.

    Raises:
        HS2SError: unless the samples are videos or images
    """
    if samples.media_type not in ("video", "image") and not is_image_groups(samples):
        fixes = {
            None: "is empty: add videos to it",
            "group": "is grouped: choose one slice, select_group_slices()",
        }
        fix = fixes.get(samples.media_type, f"holds {samples.media_type} samples: choose another")
        raise HS2SError(
            f"fine-tuning needs videos or images and the dataset {root_dataset(samples).name!r} {fix}"
        )


def check_validation(samples: Samples) -> None:
    """Makes sure that a model can be scored on samples.

    Raises:
        HS2SError: unless they are videos, clips of videos, or images in ordered groups
    """
    if samples.media_type != "video" and not is_image_groups(samples):
        raise HS2SError(
            f"validation needs videos and that of the dataset {root_dataset(samples).name!r} is of "
            f"{samples.media_type} samples: choose videos, clips of them, or images put in order with "
            'group_by("<sequence field>", order_by="<frame field>")'
        )
