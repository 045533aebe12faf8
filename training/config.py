"""Configuration of a training run, read from YAML."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from fiftyone_hs2s.errors import HS2SError

CONFIGS = Path(__file__).parent / "configs"
LOSSES = ("balanced_bce", "bce", "soft_jaccard", "border")
PRECISIONS = ("no", "bf16", "fp16", "auto")


@dataclass(frozen=True)
class Stage:
    """Part of a run with clips of one form.

    Attributes:
        steps: optimizer steps
        size: (H, W) of the clips, multiples of 32
        length: frames a clip that are learnt from, with the first
        batch: clips a step
        carried: up to so many more frames, drawn for each step, lie between the first and these; they carry the state
            on without a gradient, so that the network sees it older than ``length`` at little cost
    """

    steps: int
    size: tuple[int, int] = (192, 352)
    length: int = 4
    batch: int = 4
    carried: int = 0


@dataclass(frozen=True)
class TrainingConfig:
    """A training run.

    Attributes:
        model: name of the network's preset
        network: settings of the network that differ from the preset's, or from those of the weights to start from
        memory_every: as in the network's configuration, for clips, which are short
        init: weights to start from: a file, ``shipped``, or None for ImageNet's in the backbone
        videos: DAVIS-layout folders, relative to ``--data``; glob patterns are allowed
        pictures: folders with Images and Masks, likewise
        exclude: sequences never to be trained on
        video_share: share of the clips that come from videos
        stages: one after the other
        duration: minutes after which the run is over although steps are left; what depends on the part that is done,
            such as the rate and the stages, then goes by the time
        lr: learning rate of the parts without pretrained weights
        pretrained_lr: factor for those with
        frozen_stages: number of backbone stages of the shared trunk that are not trained
        warmup: steps of linear warm-up
        decay_share: share of the run at whose end the rate falls to ``final_lr`` of itself
        decay_drops: falls in as many equal ratios; 0 for a line
        final_lr: see ``decay_share``
        optimizer: ``adamw`` or ``adam``
        accumulate: batches whose gradients make one step
        precision: ``no`` (float32), ``bf16`` or ``fp16``, as Accelerate has them, or ``auto``: half precision where the
            hardware computes in it
        losses: {name: weight}, see :func:`training.losses.weighted_loss`
        own_mask: probability that a step sees the network's own last mask instead of the truth; with
            ``own_mask_from`` and ``own_mask_rise`` see :func:`training.schedules.own_mask_probability`
        freeze_norm_from: part of the run after which batch norm keeps its statistics
        portrait: share of the steps whose clips are upright, W x H instead of H x W
        distractors: how many look-alikes and other objects move behind a pasted one at most; 0 for none
        objects: how many objects of a clip are tracked at most; with more than 1, all instances of a picture are
        copy_paste: share of the clips that get other moving objects pasted in, before and behind their own; see
            :class:`training.data.copy_paste.CopyPaste`
        twins: share of the pasted objects that are look-alikes: copies of another object of the clip, mirrored, in
            another phase of its movement, or tinted
        near: share of the clips, and of the pasted objects, that come up to 6 times nearer or go away; such clips of
            videos step up to 10 frames, so that objects turn from one frame to the next
        affine: bounds of the transform that real clips get, see :class:`training.data.videos.VideoClips`
        validation: sequences ``set/name`` below ``--data`` to score the averaged weights on
        validate_every: in steps; 0 for never
        patience: validations without a better J&F after which the run ends; 0 for never
        ema: decay of the averaged weights
        clip_norm: bound of the gradient's norm
        weight_decay: of AdamW
        seed: of everything random
    """

    model: str
    stages: tuple[Stage, ...]
    network: dict[str, Any] = field(default_factory=dict)
    memory_every: int = 2
    init: str | None = None
    videos: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    video_share: float = 0.5
    duration: float = float("inf")
    lr: float = 3e-4
    pretrained_lr: float = 0.5
    frozen_stages: int = 4
    warmup: int = 100
    decay_share: float = 0.3
    decay_drops: int = 0
    final_lr: float = 0.05
    optimizer: str = "adamw"
    accumulate: int = 1
    precision: str = "no"
    losses: dict[str, float] = field(default_factory=lambda: {"bce": 1.0, "soft_jaccard": 0.5})
    own_mask: float = 0.7
    own_mask_from: float = 0.0
    own_mask_rise: float = float("inf")
    freeze_norm_from: float = 0.0
    portrait: float = 0.0
    distractors: int = 1
    objects: int = 1
    copy_paste: float = 0.0
    twins: float = 0.3
    near: float = 0.0
    affine: dict[str, Any] = field(default_factory=dict)
    validation: tuple[str, ...] = ()
    validate_every: int = 0
    patience: int = 0
    ema: float = 0.995
    clip_norm: float = 1.0
    weight_decay: float = 0.01
    seed: int = 1

    @property
    def steps(self) -> int:
        """Steps of all stages."""
        return sum(stage.steps for stage in self.stages)

    @classmethod
    def load(cls, path: str | Path, overrides: Sequence[str] = ()) -> TrainingConfig:
        """Reads a YAML file, or a preset by name, and applies ``key=value`` overrides (values are YAML).

        A key ``base`` names a file beside it, whose values hold where it has none of its own. ``a.b=c`` sets a value
        within a value.

        Raises:
            HS2SError: for a missing file, an override that is none, and as :meth:`from_dict`
        """
        path = Path(path) if Path(path).suffix else CONFIGS / f"{path}.yaml"
        if not path.is_file():
            known = ", ".join(sorted(p.stem for p in CONFIGS.glob("*.yaml")))
            raise HS2SError(f"No training config {path}; give a YAML file or one of {known}")
        values = _read(path)
        defaults = {f.name: f.default_factory() for f in dataclasses.fields(cls) if callable(f.default_factory)}
        for override in overrides:
            names, equals, value = override.partition("=")
            *parents, name = names.strip().split(".")
            target = values
            for parent in parents:
                target = target.setdefault(parent, defaults.get(parent, {}))
                if not isinstance(target, dict):
                    raise HS2SError(f"The training setting {parent!r} holds none within it: set it as a whole")
            if not equals:
                raise HS2SError(f"The override {override!r} sets nothing: write {override}=VALUE")
            target[name] = yaml.safe_load(value)
        return cls.from_dict(values)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TrainingConfig:
        """Builds a configuration from plain values.

        Raises:
            HS2SError: for unknown keys, losses or precisions, and sizes that are no multiples of 32
        """
        _check_names(values, [f.name for f in dataclasses.fields(cls)], "training setting")
        _check_names(values.get("losses", ()), LOSSES, "loss")
        # YAML reads 1e-4, without a point, as text.
        numbers = {
            f.name: float(values[f.name]) for f in dataclasses.fields(cls) if f.type == "float" and f.name in values
        }
        if missing := {"model", "stages"} - set(values):
            raise HS2SError(f"The training settings lack {', '.join(sorted(missing))}")
        lists: dict[str, Any] = {
            key: _texts(values[key]) for key in ("videos", "pictures", "exclude", "validation") if key in values
        }
        stages = tuple(_stage(stage) for stage in values["stages"])
        precision = "no" if values.get("precision", False) is False else values["precision"]  # YAML's no is False
        _check_names([precision], PRECISIONS, "precision")
        return cls(**{**values, **numbers, **lists, "stages": stages, "precision": precision})


def _check_names(names: Iterable[str], known: Sequence[str], what: str) -> None:
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            mend = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
            raise HS2SError(f"Unknown {what} {name!r}; {mend}")


def _stage(values: dict[str, Any]) -> Stage:
    _check_names(values, [f.name for f in dataclasses.fields(Stage)], "setting of a training stage")
    stage = Stage(**{"steps": 0, **values, "size": tuple(values.get("size", Stage.size))})
    if stage.steps < 1:
        raise HS2SError("A training stage has at least one step: set its steps")
    if stage.length < 2 or stage.batch < 1 or stage.carried < 0:
        raise HS2SError("A training stage has a length of at least 2, a batch of at least 1, no fewer than 0 carried")
    if len(stage.size) != 2 or any(side < 32 or side % 32 for side in stage.size):
        raise HS2SError(f"The size of a training stage is (height, width) in multiples of 32, not {list(stage.size)}")
    return stage


def _texts(values: str | Sequence[str]) -> tuple[str, ...]:
    return (values,) if isinstance(values, str) else tuple(values)


def _read(path: Path) -> dict[str, Any]:
    values = yaml.safe_load(path.read_text())
    if not isinstance(values, dict):
        raise HS2SError(f"{path} holds no settings: it takes lines such as 'model: hs2s-lite'")
    base = values.pop("base", None)
    return {**_read(path.with_name(f"{base}.yaml")), **values} if base else values
