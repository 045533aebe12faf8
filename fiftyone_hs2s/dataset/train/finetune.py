"""Fine-tuning on a dataset's own masks; the result is a model with a name."""

from __future__ import annotations

import logging
import math
import shutil
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import TYPE_CHECKING

from fiftyone_hs2s.dataset.bars import fiftyone_reporting
from fiftyone_hs2s.dataset.compat import Samples, is_clips, is_image_groups
from fiftyone_hs2s.dataset.database import explained
from fiftyone_hs2s.dataset.train.training_checks import check_training_field
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.progress import Progress, ProgressOption, Report
from fiftyone_hs2s.registry import check_folder, check_name
from fiftyone_hs2s.tables import data_frame
from fiftyone_hs2s.training.packages import check_packages

if TYPE_CHECKING:
    import pandas

    from fiftyone_hs2s.metrics import Evaluation
    from fiftyone_hs2s.training.data.annotated_video import AnnotatedVideo
    from fiftyone_hs2s.training.run_config import TrainingConfig

logger = logging.getLogger(__name__)

_UNLIMITED = 10**6
"""Steps of a run whose length is given in minutes."""


@dataclass(frozen=True)
class FineTuned:
    """What a fine-tuning made.

    Attributes:
        name: the model's name, for ``load_model()`` and the App
        path: its weights
        steps: optimizer steps done, with those before a stop
        minutes: how long they took
        loss: mean loss over the first and the last tenth of the steps, of those since the last stop
        before: scores on the validation videos before; None without such videos
        after: scores on them afterwards
    """

    name: str
    path: Path
    steps: int
    minutes: float
    loss: tuple[float, float]
    before: Evaluation | None = None
    after: Evaluation | None = None

    def to_dataframe(self) -> pandas.DataFrame:
        """The validation scores before and after, in 0..1: ``when``, ``J``, ``F``, ``JF``; empty without
        validation."""
        sides = {"before": self.before, "after": self.after}
        scored = {when: found for when, found in sides.items() if found is not None}
        rows = ({"when": when, "J": found.J, "F": found.F, "JF": found.JF} for when, found in scored.items())
        return data_frame(rows, ("when", "J", "F", "JF"))

    def print(self) -> None:
        """Prints the result in a line."""
        print(self)

    def __str__(self) -> str:
        text = f"{self.name}: {self.steps} steps in {self.minutes:.1f} minutes, loss {self.loss[0]:.3f}"
        text += f" to {self.loss[1]:.3f}"
        if self.before is None or self.after is None:
            return text
        return f"{text}, validation J&F {100 * self.before.JF:.1f} to {100 * self.after.JF:.1f}"


@explained
def finetune(
    samples: Samples,
    gt_field: str,
    name: str,
    config: str | Path = "finetune",
    *,
    minutes: float | None = None,
    steps: int | None = None,
    validation: Samples | None = None,
    overwrite: bool = False,
    run: str | Path | None = None,
    num_workers: int = 0,
    progress: ProgressOption = None,
) -> FineTuned:
    """Fine-tunes a model on videos, or on images, with instance masks, and registers it by name.

    ``load_model(name)``, ``hs2s track --model NAME`` and the operators know the model from then on. It is
    there once it is whole: a run that fails or is stopped registers nothing. Should registering fail, the
    weights are kept, and the message says where.

    Args:
        samples: videos, clips of videos, ordered groups of images, or images with instance masks
        gt_field: the field with the masks: a frame field of videos (``frames.`` may be left out), a field of
            images
        name: name for the model; letters, digits, ``-``, ``_`` and ``.``
        config: ``"finetune"``, ``"tiny"``, or another name of ``training/configs``, or a YAML file
        minutes: length of the run; the learning rate falls over its course
        steps: length of the run in optimizer steps, instead; the config's own by default
        validation: videos, clips of videos, or ordered groups of images with that field, to score the model
            on before and after. Their media are left out of training, as a whole; of clips, where both are
            such, only those that share frames
        overwrite: replace a registered model of that name
        run: folder for the checkpoint, the log and TensorBoard's files: a run that was stopped resumes there,
            and its log can be followed. By default a temporary one
        num_workers: processes that make clips; worth it beside a GPU
        progress: whether to show a bar (None: as ``fiftyone.config.show_progress_bars`` says), or a function
            to call instead with a :class:`fiftyone_hs2s.progress.Progress` after each step; its ``values``
            are the losses, the ``step`` and the ``seconds`` it all took

    Returns:
        the model's name and file, and what was measured

    Raises:
        HS2SError: if the name, the samples, the field, the validation or the config cannot be used, packages
            are missing, models cannot be written, or the run in the folder is finished already
    """
    check_name(name, overwrite)
    check_folder()
    check_packages()
    check_training_field(samples, gt_field)
    settings = _settings(config, minutes, steps)
    from fiftyone_hs2s.dataset.train.material import read_material
    from fiftyone_hs2s.training.api import train

    samples, sequences = _split(samples, validation, gt_field)
    videos, pictures = read_material(samples, gt_field)
    start = None if settings.init == "shipped" else settings.init
    before = _score(start, settings, sequences) if settings.init else None
    with TemporaryDirectory(prefix="hs2s-finetune-") if run is None else nullcontext(run) as folder:
        with fiftyone_reporting(progress) as show:
            watch = _Watch(show)
            weights = train(
                settings,
                folder,
                videos=videos,
                pictures=pictures,
                validation=sequences,
                num_workers=num_workers,
                progress=watch,
            )
        if not watch.step:
            raise HS2SError(
                f"the run in {folder} is finished already: register its weights {weights} with "
                "register_model(), or choose another folder, or more minutes or steps"
            )
        path = _register(name, weights, overwrite, keep=run is None)
        after = _score(path, settings, sequences)
    result = FineTuned(name, path, watch.step, watch.minutes, watch.loss, before, after)
    logger.info("Fine-tuned %s", result)
    return result


def presets() -> dict[str, str]:
    """The configs that fine-tune the shipped weights, with what each is for.

    Raises:
        HS2SError: if packages are missing
    """
    check_packages()
    from fiftyone_hs2s.training.run_config import CONFIGS, TrainingConfig

    found = {path.stem: path for path in sorted(CONFIGS.glob("*.yaml"))}
    return {
        name: path.read_text().partition("\n")[0].removeprefix("# ")
        for name, path in found.items()
        if TrainingConfig.load(name).init == "shipped"
    }


def _settings(config: str | Path, minutes: float | None, steps: int | None) -> TrainingConfig:
    from fiftyone_hs2s.training.run_config import TrainingConfig

    settings = TrainingConfig.load(config)
    if minutes is not None and steps is not None:
        raise HS2SError("minutes and steps are two ways to say how long to train: give one of them")
    if minutes is None and steps is None:
        return settings
    if (minutes or steps or 0) <= 0:
        raise HS2SError("nothing would be trained: give minutes or steps above 0")
    factor = (steps or _UNLIMITED) / settings.steps
    stages = tuple(replace(stage, steps=max(1, round(stage.steps * factor))) for stage in settings.stages)
    return replace(settings, stages=stages, duration=minutes or settings.duration)


def _split(samples: Samples, validation: Samples | None, field: str) -> tuple[Samples, list[AnnotatedVideo]]:
    """What to train on, and what to score."""
    if validation is None:
        return samples, []
    from fiftyone_hs2s.dataset.train.material import read_validation
    from fiftyone_hs2s.training.validation import scorable

    rest = _without(samples, validation)
    if not len(rest):
        raise HS2SError("all samples are in the validation set: leave some to train on")
    return rest, scorable(read_validation(validation, field))


def _without(samples: Samples, validation: Samples) -> Samples:
    """The samples that share no media with the validation; where both are clips, those that share no
    frames."""
    if is_clips(samples) and is_clips(validation):
        held = list(zip(*validation.values(["filepath", "support"]), strict=True))
        clips = zip(*samples.values(["id", "filepath", "support"]), strict=True)
        return samples.exclude(
            [
                clip_id
                for clip_id, path, (first, last) in clips
                if any(path == other and first <= end and start <= last for other, (start, end) in held)
            ]
        )
    media = set((validation.flatten() if is_image_groups(validation) else validation).distinct("filepath"))
    if is_image_groups(samples):  # which go by their first image
        groups = (group.values("filepath") for group in samples.iter_dynamic_groups())
        media = {group[0] for group in groups if not media.isdisjoint(group)}
    return samples.exclude_by("filepath", list(media))


def _register(name: str, weights: Path, overwrite: bool, keep: bool) -> Path:
    """Registers a model. If that fails its weights are named, and saved from a folder that goes away
    (``keep``)."""
    from fiftyone_hs2s.network import register_model

    try:
        return register_model(name, weights, overwrite)
    except HS2SError as error:
        kept = shutil.move(weights, Path(mkdtemp(prefix="hs2s-")) / weights.name) if keep else weights
        raise HS2SError(f"{error}; the trained weights are kept in {kept}") from error


def _score(
    weights: str | Path | None, settings: TrainingConfig, sequences: list[AnnotatedVideo]
) -> Evaluation | None:
    """None where there is nothing to score."""
    if not sequences:
        return None
    from fiftyone_hs2s.network import load_network, read_config
    from fiftyone_hs2s.runtime.device import choose_device
    from fiftyone_hs2s.training.validation import validate

    trained = weights if weights != settings.init else None
    model = read_config(trained).name if trained else settings.model
    return validate(load_network(model, weights).to(choose_device()), sequences)


class _Watch:
    """Notes what a training reports, and shows its progress."""

    def __init__(self, show: Report) -> None:
        self._show = show
        self._losses = list[float]()
        self.step, self.minutes = 0, 0.0

    def __call__(self, event: Progress) -> None:
        self.step, self.minutes = int(event.values["step"]), event.values["seconds"] / 60
        self._losses.append(event.values["loss"])
        self._show(event)

    @property
    def loss(self) -> tuple[float, float]:
        """Mean over the first and the last tenth of the steps."""
        if not self._losses:
            return math.nan, math.nan
        count = max(1, len(self._losses) // 10)
        first, last = self._losses[:count], self._losses[-count:]
        return sum(first) / count, sum(last) / count
