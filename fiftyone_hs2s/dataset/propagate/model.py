"""The tracker as a FiftyOne model."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import fiftyone as fo
import fiftyone.core.models as fom

from fiftyone_hs2s.adaptation import adapted_tracker, check_seconds
from fiftyone_hs2s.choices import (
    AUTO,
    DIRECTIONS,
    PROMPT_FRAMES,
    SCENE_CUTS,
    Direction,
    PromptFrames,
    SceneCuts,
    check_choice,
)
from fiftyone_hs2s.dataset.find_sequences import find_sequences
from fiftyone_hs2s.dataset.frame_paths import field_name
from fiftyone_hs2s.dataset.objects import label_map_to_detections
from fiftyone_hs2s.dataset.propagate.prompts import DatasetPrompts, sequence_prompts
from fiftyone_hs2s.dataset.propagate.zoo_mask_maker import load_mask_maker
from fiftyone_hs2s.dataset.sample_views import as_view
from fiftyone_hs2s.dataset.sequences import LabeledSequence
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.mask_makers import MaskMaker
from fiftyone_hs2s.models import BEST_MODEL, default_model, short_name
from fiftyone_hs2s.network import load_network
from fiftyone_hs2s.runtime.device import gpu_environments
from fiftyone_hs2s.tracking import MissingFrameError, PromptPlan, Steps, Tracker, plan_prompts, track

if TYPE_CHECKING:
    from pathlib import Path

    from eta.core.video import VideoReader

    from fiftyone_hs2s.tracking import Frames

logger = logging.getLogger(__name__)

INCOMPLETE_TAG = "incomplete"
"""Tag of samples whose video ended early while ``apply_model()`` tracked them."""


def as_model(model: HS2SVideoModel | str | None) -> HS2SVideoModel:
    """The model that an argument means: a model as it is, else :func:`load_model` of its name."""
    return load_model(model) if model is None or isinstance(model, str) else model


def load_model(
    name: str | None = None,
    weights: str | Path | None = None,
    *,
    prompt_field: str | None = None,
    direction: Direction = "forward",
    prompt_frames: PromptFrames = "first",
    reset_period: int | None = None,
    adapt: float = 0,
    mask_maker: str | MaskMaker | None = AUTO,
    scene_cuts: SceneCuts = SCENE_CUTS[0],
    **tracker: Any,
) -> HS2SVideoModel:
    """Loads a model for ``dataset.apply_model()`` and ``propagate()``.

    Args:
        name: ``"hs2s-lite-video-torch"``, ``"hs2s-resnet50-video-torch"``, or the name that a model was
            registered under, by :func:`fiftyone_hs2s.finetune` for example; None for the default, see
            :func:`fiftyone_hs2s.models.default_model`
        weights: a ``.safetensors`` or ``.pth`` file; None for the ones that come with the model
        prompt_field: the frame field with the masks, boxes or points to start from, unless ``apply_model()``
            is given one
        direction: ``"forward"``, ``"backward"`` or ``"both"``
        prompt_frames: ``"first"`` takes each object from the first frame that has a mask of it, ``"all"``
            re-anchors it on every frame that has one
        reset_period: frames after which the recurrent state starts again from zero, 0 for never; None for the
            model's own
        adapt: seconds for which a copy of the network learns from the prompts of each video before it is
            tracked, 0 for not at all; the model itself stays as it is
        mask_maker: what makes masks of boxes and points: ``"hs2s-mask"``, ``"hs2s-mask-open"``,
            ``"grabcut"``, or the name of an image model of FiftyOne's zoo that takes a ``prompt_field``, such
            as SAM 2; ``"auto"`` for that of the first two whose terms are those of the model's weights; None
            to ignore boxes and points
        scene_cuts: what becomes of tracks where another scene begins: ``"ignore"``, ``"stop"`` or
            ``"restart"``, see :func:`fiftyone_hs2s.propagate`
        **tracker: options of :class:`fiftyone_hs2s.tracking.Tracker`, such as ``size=(256, 448)``,
            ``device="auto"``, ``average="flip"``, ``runtime="openvino"``

    Returns:
        the model

    Raises:
        HS2SError: if the name is unknown, the weights are missing or damaged, or an option is not one of the
            above
    """
    chosen = short_name(name or (BEST_MODEL if weights else default_model()))
    network = load_network(chosen, weights, reset_period)
    maker = load_mask_maker(mask_maker, chosen) if isinstance(mask_maker, str) else mask_maker
    own = Tracker(network, **tracker)
    return HS2SVideoModel(own, prompt_field, direction, prompt_frames, adapt, maker, scene_cuts)


class HS2SVideoModel(fom.SamplesMixin, fom.Model):
    """Propagates instance masks through videos.

    Args:
        tracker: the tracker
        prompt_field: the frame field with the masks to start from, unless ``apply_model()`` is given one
        direction: ``"forward"``, ``"backward"`` or ``"both"``
        prompt_frames: ``"first"`` or ``"all"``
        adapt: seconds of learning before each video, see :func:`load_model`
        mask_maker: makes masks of boxes and points; None to ignore these
        scene_cuts: see :func:`load_model`
    """

    def __init__(
        self,
        tracker: Tracker,
        prompt_field: str | None = None,
        direction: Direction = "forward",
        prompt_frames: PromptFrames = "first",
        adapt: float = 0,
        mask_maker: MaskMaker | None = None,
        scene_cuts: SceneCuts = SCENE_CUTS[0],
    ) -> None:
        fom.SamplesMixin.__init__(self)
        self.tracker = tracker
        self.prompt_field = prompt_field
        self.direction = check_choice("direction", direction, DIRECTIONS)
        self.prompt_frames = check_choice("prompt_frames", prompt_frames, PROMPT_FRAMES)
        self.adapt = check_seconds(adapt)
        self.mask_maker = mask_maker
        self.scene_cuts = check_choice("scene_cuts", scene_cuts, SCENE_CUTS)

    @property
    def media_type(self) -> str:
        return "video"

    @property
    def environments(self) -> list[dict[str, str]]:
        """Variables for processes that work with the model: see
        :func:`fiftyone_hs2s.runtime.device.gpu_environments`."""
        return gpu_environments(self.tracker.device)

    @contextmanager
    def beside_others(self) -> Iterator[HS2SVideoModel]:
        """The model for one of several videos that are tracked at once, in threads: see
        :meth:`Tracker.beside_others`."""
        with self.tracker.beside_others() as tracker:
            other = copy(self)
            other.tracker = tracker
            yield other

    @property
    def config(self) -> SimpleNamespace:
        """Nothing: ``apply_model()`` looks here for settings such as ``confidence_thresh``, and else
        filters itself."""
        return SimpleNamespace()

    @property
    def needs_fields(self) -> dict[str, str]:
        """The prompt field; ``apply_model()`` sets it, to nothing when it is called without one."""
        return self._fields or ({"prompt_field": self.prompt_field} if self.prompt_field else {})

    @needs_fields.setter
    def needs_fields(self, fields: dict[str, str] | None) -> None:
        self._fields = fields or {}

    def predict(self, reader: VideoReader, sample: fo.Sample | None = None) -> dict[int, fo.Detections]:
        """Propagates the masks of one sample.

        Args:
            reader: the sample's video
            sample: the sample, or a clip; its prompt field has the masks to start from

        Returns:
            the detections by frame number

        Raises:
            HS2SError: if there is nothing to start from, or the video cannot be read
        """
        field = self.needs_fields.get("prompt_field")
        if not field or sample is None:
            raise HS2SError(
                'no prompt field: pass prompt_field="frames.<field>" to apply_model() or load_model()'
            )
        field = field_name(field)
        (sequence,) = find_sequences(as_view(sample))
        frames = sequence.open()
        try:
            plan = self.plan(frames, self.prompts(sequence, field, frames))
        except HS2SError as error:
            raise HS2SError(f"{sequence.name}, field {field!r}: {error}") from error
        steps = Steps(frames, plan)
        found = {sequence.number(index): detections for index, detections in self.track(frames, plan, steps)}
        if steps.incomplete:
            sample.tags.append(INCOMPLETE_TAG)
            logger.warning("Sample %s is incomplete: %s", sample.id, steps.incomplete)
        return found

    def prompts(
        self,
        sequence: LabeledSequence,
        fields: str | Sequence[str],
        frames: Frames,
        direction: Direction | None = None,
    ) -> DatasetPrompts:
        """Finds what the objects of a sequence can be tracked from.

        Args:
            sequence: the sequence
            fields: the prompt field, or fields
            frames: its frames
            direction: the model's own if None

        Raises:
            HS2SError: if there is nothing, or something cannot be used
        """
        backward = (direction or self.direction) == "backward"
        return sequence_prompts(sequence, fields, frames, self.mask_maker, backward)

    def plan(
        self,
        frames: Frames,
        prompts: DatasetPrompts,
        direction: Direction | None = None,
        prompt_frames: PromptFrames | None = None,
        scene_cuts: SceneCuts | None = None,
    ) -> PromptPlan[DatasetPrompts]:
        """Chooses the prompts to use.

        Args:
            frames: the frames
            prompts: the prompts
            direction: the model's own if None
            prompt_frames: the model's own if None
            scene_cuts: the model's own if None

        Raises:
            HS2SError: if a frame with a mask is missing
        """
        with _numbered(prompts):
            return plan_prompts(
                frames,
                prompts,
                direction or self.direction,
                prompt_frames or self.prompt_frames,
                scene_cuts or self.scene_cuts,
            )

    def track(
        self,
        frames: Frames,
        plan: PromptPlan[DatasetPrompts],
        on_step: Callable[[], None] = lambda: None,
        on_cut: Callable[[int], None] = lambda index: None,
    ) -> Iterator[tuple[int, fo.Detections]]:
        """Propagates prompts through frames.

        Args:
            frames: the frames
            plan: which prompts to use, see :meth:`plan`
            on_step: called after each frame of each pass, see :class:`fiftyone_hs2s.tracking.Steps`
            on_cut: called with the index of each frame that begins a scene

        Yields:
            the 0-based frame index and the detections of each tracked frame
        """
        identities = plan.prompts.identities
        with _numbered(plan.prompts):
            tracker = adapted_tracker(self.tracker, frames, plan, self.adapt)
            for index, tracked in track(tracker, frames, plan, on_step=on_step, on_cut=on_cut):
                given = {i: plan.prompts.origins.get(i) for i in plan.anchors.get(index, ())}
                yield index, label_map_to_detections(tracked.label_map, identities, tracked.confidence, given)


@contextmanager
def _numbered(prompts: DatasetPrompts) -> Iterator[None]:
    """A context in which missing frames have the numbers that FiftyOne's users know."""
    try:
        yield
    except MissingFrameError as error:
        raise error.numbered_from(prompts.first_number) from error
