"""Configuration of a training run, read from YAML."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, with_config
from typing_extensions import TypedDict

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.files import check_file
from fiftyone_hs2s.models import default_model
from fiftyone_hs2s.network.config import WHAT as NETWORK
from fiftyone_hs2s.network.config import HS2SConfig
from fiftyone_hs2s.settings import (
    Number,
    Share,
    Size,
    Unbounded,
    Whole,
    check_names,
    from_mapping,
    parse_yaml,
    read_yaml,
    settings,
)
from fiftyone_hs2s.training.data.clip import MIN_AREA

CONFIGS = Path(__file__).parent / "configs"
LOSSES = ("balanced_bce", "bce", "soft_jaccard", "log_jaccard", "border", "competition")
PRECISIONS = ("no", "bf16", "fp16", "auto")
OPTIMIZERS = ("adamw", "adam")
WHAT = "training setting"
STAGE = "training stage setting"

Positive = Annotated[Number, Field(gt=0)]
NotNegative = Annotated[Number, Field(ge=0)]
Texts = Annotated[
    tuple[str, ...], BeforeValidator(lambda value: (value,) if isinstance(value, str) else value)
]
Precision = Annotated[str, BeforeValidator(lambda value: "no" if value is False else value)]  # YAML's no


@with_config(ConfigDict(extra="forbid"))
class Affine(TypedDict, total=False):
    """See :class:`fiftyone_hs2s.training.data.videos.VideoClips`."""

    angle: Number
    scale: tuple[Positive, Positive]
    shear: Number
    shift: Number
    occluded: Share


def _stages(values: Any) -> Any:
    """Names a stage's unknown settings."""
    if isinstance(values, list):
        return [from_mapping(Stage, value, STAGE) if isinstance(value, dict) else value for value in values]
    return values


def _model(name: str) -> str:
    return default_model() if name == "default" else name


@settings(STAGE)
class Stage:
    """Part of a run with clips of one form.

    Attributes:
        steps: optimizer steps
        size: (H, W) of the clips, multiples of 32
        length: frames a clip that are learned from, with the first
        batch: clips of a step's batch, shared among the processes of a run
        carried: up to so many more frames, drawn for each step, lie between the first and these; they carry
            the state on without a gradient, so that the network sees it older than ``length`` at little cost
    """

    steps: Annotated[Whole, Field(ge=1)]
    size: tuple[Size, Size] = (192, 352)
    length: Annotated[Size, Field(ge=2)] = 4
    batch: Size = 4
    carried: Annotated[Whole, Field(le=1000)] = 0

    def __post_init__(self) -> None:
        if any(side % 32 for side in self.size):
            raise HS2SError(
                f"The size of a training stage is (height, width) in multiples of 32, not {list(self.size)}"
            )


@settings(WHAT)
class TrainingConfig:
    """A training run.

    Attributes:
        model: name of the network's preset; ``default`` for :func:`fiftyone_hs2s.models.default_model`
        network: settings of the network that differ from the preset's, or from those of the weights to start
            from
        memory_every: as in the network's configuration, for clips, which are short
        init: weights to start from: a file, ``shipped``, or None for ImageNet's in the backbone
        transfer: where ``init`` is None, weights of another network, of which what fits is taken: a file, or
            the name of a shipped model, see :func:`fiftyone_hs2s.training.transfer.transfer`
        videos: DAVIS-layout folders, relative to ``--data``; glob patterns are allowed
        pictures: folders with Images and Masks, likewise
        exclude: sequences never to be trained on
        rendered: folders of rendered videos (:mod:`fiftyone_hs2s.training.synthetic`), likewise
        rendered_share: share of the clips that come from these, where there are any
        video_share: share of the other clips that come from videos
        stages: one after the other
        duration: minutes after which the run is over although steps are left; what depends on the part that
            is done, such as the rate and the stages, then goes by the time
        lr: learning rate of the parts without pretrained weights
        pretrained_lr: factor for those with
        frozen_stages: number of backbone stages of the shared trunk that are not trained
        warmup: steps of linear warm-up
        decay_share: share of the run at whose end the rate falls to ``final_lr`` of itself
        decay_drops: falls in as many equal ratios; 0 for a line
        final_lr: see ``decay_share``
        optimizer: ``adamw`` or ``adam``
        checkpointing: whether each frame's step is computed again in the backward pass, for about a third
            more work: then the memory of a clip hardly grows with its length
        accumulate: batches whose gradients make one step
        precision: ``no`` (float32), ``bf16`` or ``fp16``, as Accelerate has them, or ``auto``: half precision
            where the hardware computes in it
        losses: {name: weight}, see :func:`fiftyone_hs2s.training.losses.weighted_loss`
        hardest: share of each frame's pixels, those of the greatest loss, that ``competition`` counts, at the
            end; all of them at the start, fewer and fewer until half of the run
        own_mask: probability that a step sees the network's own last mask instead of the truth; with
            ``own_mask_from`` and ``own_mask_rise`` see
            :func:`fiftyone_hs2s.training.schedules.own_mask_probability`
        freeze_norm_from: part of the run after which batch norm keeps its statistics
        portrait: share of the steps whose clips are upright, W x H instead of H x W
        distractors: how many look-alikes and other objects move behind a pasted one at most; 0 for none
        objects: how many objects of a clip are tracked at most; with more than 1, all instances of a picture
            are
        copy_paste: share of the clips that get other moving objects pasted in, before and behind their own;
            see :class:`fiftyone_hs2s.training.data.copy_paste.CopyPaste`
        twins: share of the pasted objects that are look-alikes: copies of another object of the clip,
            mirrored, in another phase of its movement, or tinted
        near: share of the clips, and of the pasted objects, that come up to 6 times nearer or go away; such
            clips of videos step up to 10 frames, so that objects turn from one frame to the next
        hidden: share of the clips in which a board hides one object, or all, for some frames; see
            :class:`fiftyone_hs2s.training.data.boards.Boards`
        max_step: frames of a video from one frame of a clip to the next, at most; 1 for consecutive ones
        reverse: whether half of the clips run backward in time
        every_object: whether all objects of all videos are drawn equally often, as in the paper; else longer
            videos are drawn more often
        min_area: share of the picture that an object has on the first frame of a clip, at least
        color: strength of the change of brightness, contrast, saturation and tint, 0 for none
        degraded: share of the clips with low light, compression or blur
        affine: bounds of the transform that real clips get, see
            :class:`fiftyone_hs2s.training.data.videos.VideoClips`
        validation: sequences ``set/name`` below ``--data`` to score the averaged weights on
        validate_every: in steps; 0 for never
        patience: validations without a better J&F after which the run ends; 0 for never
        ema: decay of the averaged weights, 0 for the plain ones
        clip_norm: bound of the gradient's norm, 0 for none
        weight_decay: of AdamW
        seed: of everything random
    """

    model: Annotated[str, AfterValidator(_model)]
    stages: Annotated[tuple[Stage, ...], BeforeValidator(_stages), Field(min_length=1)]
    network: dict[str, Any] = field(default_factory=dict)
    memory_every: Size = 2
    init: str | None = None
    transfer: str | None = None
    videos: Texts = ()
    pictures: Texts = ()
    exclude: Texts = ()
    rendered: Texts = ()
    rendered_share: Share = 0.3
    video_share: Share = 0.5
    duration: Unbounded = float("inf")
    lr: NotNegative = 3e-4
    pretrained_lr: NotNegative = 0.5
    frozen_stages: Whole = 4
    warmup: Whole = 100
    decay_share: Share = 0.3
    decay_drops: Whole = 0
    final_lr: Share = 0.05
    optimizer: str = "adamw"
    checkpointing: bool = False
    accumulate: Size = 1
    precision: Precision = "no"
    losses: dict[str, NotNegative] = field(default_factory=lambda: {"bce": 1.0, "soft_jaccard": 0.5})
    hardest: Share = 1.0
    own_mask: Share = 0.7
    own_mask_from: Share = 0.0
    own_mask_rise: Unbounded = float("inf")
    freeze_norm_from: NotNegative = 0.0
    portrait: Share = 0.0
    distractors: Annotated[Whole, Field(le=100)] = 1
    objects: Annotated[Size, Field(le=100)] = 1
    copy_paste: Share = 0.0
    twins: Share = 0.3
    near: Share = 0.0
    hidden: Share = 0.0
    max_step: Size = 6
    reverse: bool = True
    every_object: bool = False
    min_area: Share = MIN_AREA
    color: Share = 0.2
    degraded: Share = 0.3
    affine: Affine = field(default_factory=Affine)
    validation: Texts = ()
    validate_every: Whole = 0
    patience: Whole = 0
    ema: Share = 0.995
    clip_norm: NotNegative = 1.0
    weight_decay: NotNegative = 0.01
    seed: Whole = 1

    def __post_init__(self) -> None:
        check_names(self.network, [f.name for f in dataclasses.fields(HS2SConfig)], NETWORK)
        check_names(self.losses, LOSSES, "loss")
        check_names([self.optimizer], OPTIMIZERS, "optimizer")
        check_names([self.precision], PRECISIONS, "precision")

    @property
    def steps(self) -> int:
        """Steps of all stages."""
        return sum(stage.steps for stage in self.stages)

    @classmethod
    def load(cls, path: str | Path, overrides: Sequence[str] = ()) -> TrainingConfig:
        """Reads a YAML file, or a preset by name, and applies ``key=value`` overrides (values are YAML).

        A key ``base`` names a file beside it, whose values hold where it has none of its own. ``a.b=c`` sets
        a value within a value.

        Raises:
            HS2SError: for a missing file, an override that is none, and as :meth:`from_dict`
        """
        path = Path(path) if Path(path).suffix else CONFIGS / f"{path}.yaml"
        if not os.path.exists(path):
            known = ", ".join(sorted(p.stem for p in CONFIGS.glob("*.yaml")))
            raise HS2SError(f"No training config {path}; give a YAML file or one of {known}")
        values = _read(path)
        for override in overrides:
            _set(values, override)
        try:
            return cls.from_dict(values)
        except HS2SError as error:
            raise HS2SError(f"{path}: {error}") from error

    @classmethod
    def from_dict(cls, values: Any) -> TrainingConfig:
        """Builds a configuration from plain values.

        Raises:
            HS2SError: names the first value that is unknown, missing, of another type, or out of bounds
        """
        return from_mapping(cls, values, WHAT)


def _set(values: dict[str, Any], override: str) -> None:
    """Applies ``key=value`` or ``a.b=c``."""
    defaults = {
        f.name: f.default_factory() for f in dataclasses.fields(TrainingConfig) if callable(f.default_factory)
    }
    names, _, value = override.partition("=")
    *parents, name = names.strip().split(".")
    if not value.strip():
        raise HS2SError(
            f"The override {override!r} sets nothing: write {' '.join(names.split())}=VALUE, as in lr=1e-4"
        )
    target = values
    for parent in parents:
        target = target.setdefault(parent, defaults.get(parent, {}))
        if not isinstance(target, dict):
            raise HS2SError(f"The {WHAT} {parent!r} holds none within it: set it as a whole")
    target[name] = parse_yaml(value, f"The override {override!r}")


def _read(path: Path, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The values of a file, and of those that it is based on."""
    path = check_file(path, f"config (the base of {above[-1]})" if above else "config").resolve()
    if path in above:
        raise HS2SError(
            f"The config {path} is its own base: remove 'base' from {' or '.join(map(str, above))}"
        )
    values = read_yaml(path)
    if not isinstance(values, dict):
        raise HS2SError(f"{path} holds no settings: it takes lines such as 'model: hs2s-lite'")
    base = values.pop("base", None)
    if not base:
        return values
    return {**_read(path.parent / f"{base}.yaml", (*above, path)), **values}
