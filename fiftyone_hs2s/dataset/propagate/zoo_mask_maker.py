"""Masks of boxes and points by any image model of FiftyOne's zoo that takes a ``prompt_field``, such as
SAM 2."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import fiftyone as fo
import fiftyone.core.models as fom
import fiftyone.zoo as foz
import numpy as np

from fiftyone_hs2s.choices import AUTO
from fiftyone_hs2s.dataset.labels import detection_mask
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.hints import Hint
from fiftyone_hs2s.mask_makers import MASK_MAKERS, MaskMaker, get_mask_maker
from fiftyone_hs2s.models import BEST_MODEL

_BOX, _POINTS, _MADE = "box", "points", "made"


class ZooMaskMaker:
    """A zoo model as a :class:`~fiftyone_hs2s.mask_makers.MaskMaker`.

    Each object is a sample of its own in a dataset that is there for the moment alone, so that the model is
    run by FiftyOne as it always is, and it is known which mask is whose.

    Args:
        model: the model
        name: what it is called in labels and reports
    """

    def __init__(self, model: Any, name: str) -> None:
        if not isinstance(model, fom.SamplesMixin) or getattr(model, "media_type", None) != "image":
            raise HS2SError(
                f"the model {name!r} makes no masks of boxes or points: take an image model with a"
                " prompt_field, such as 'segment-anything-2-hiera-tiny-image-torch'"
            )
        self.name = name
        self._model = model

    def __call__(self, frame: np.ndarray, hints: Sequence[Hint]) -> list[np.ndarray]:
        """See :class:`~fiftyone_hs2s.mask_makers.MaskMaker`. Where there is a box, the points are left
        out."""
        size = (frame.shape[0], frame.shape[1])
        with tempfile.TemporaryDirectory(prefix="hs2s-") as folder:
            path = Path(folder) / "frame.png"
            cv2.imwrite(str(path), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
            dataset = fo.Dataset()
            try:
                samples = [_sample(path, hint, size) for hint in hints]
                dataset.add_samples(samples, progress=False)
                for field in (name for name in (_BOX, _POINTS) if dataset.has_sample_field(name)):
                    self._make(dataset.exists(field), field)
                return [_joined(sample, size) for sample in samples]
            finally:
                dataset.delete()

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process loads the model for itself."""
        return load_mask_maker, (self.name,)

    def _make(self, view: fo.DatasetView, field: str) -> None:
        view.apply_model(self._model, _MADE, prompt_field=field, progress=False, skip_failures=False)


def load_mask_maker(name: str, model: str = BEST_MODEL) -> MaskMaker:
    """A mask maker by its name: a built-in one, else a model of FiftyOne's zoo, which is downloaded if need
    be.

    Args:
        name: the name, or "auto", see :func:`fiftyone_hs2s.mask_makers.get_mask_maker`
        model: name of the model that tracks its masks

    Raises:
        HS2SError: if there is none of that name, or the model cannot be loaded or takes no prompts
    """
    if name in (AUTO, *MASK_MAKERS):
        return get_mask_maker(name, model)
    try:
        known = name in foz.list_zoo_models()
        zoo_model = foz.load_zoo_model(name) if known else None
    except Exception as error:  # whatever a model's packages and its download raise
        raise HS2SError(
            f"the zoo model {name!r} cannot be loaded ({error}): take one of {_known()}"
        ) from error
    if zoo_model is None:
        raise HS2SError(f"mask_maker={name!r} is unknown: take one of {_known()}")
    return ZooMaskMaker(zoo_model, name)


def _known() -> str:
    return f"{', '.join(MASK_MAKERS)}, or an image model of FiftyOne's zoo that takes a prompt_field"


def _sample(path: Path, hint: Hint, size: tuple[int, int]) -> fo.Sample:
    height, width = size
    if hint.box is not None:
        left, top, right, bottom = hint.box
        box = [left / width, top / height, (right - left) / width, (bottom - top) / height]
        detections = [fo.Detection(label="object", bounding_box=box)]
        return fo.Sample(str(path), **{_BOX: fo.Detections(detections=detections)})
    points = np.concatenate([hint.positive, hint.negative]) / (width, height)
    keypoint = fo.Keypoint(label="object", points=points.tolist())
    keypoint["sam_labels"] = [1] * len(hint.positive) + [0] * len(hint.negative)
    return fo.Sample(str(path), **{_POINTS: fo.Keypoints(keypoints=[keypoint])})


def _joined(sample: fo.Sample, size: tuple[int, int]) -> np.ndarray:
    """All that the model made of a sample, as one mask."""
    sample.reload()
    made = sample[_MADE] if sample.has_field(_MADE) else None
    joined = np.zeros(size, bool)
    for detection in made.detections if made else ():
        if (mask := detection_mask(detection, size)) is not None:
            joined |= mask
    return joined
