"""Training from Python: what ``hs2s train`` and ``finetune()`` call."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.progress import ProgressOption, reporting
from fiftyone_hs2s.run_lock import lock_run
from fiftyone_hs2s.training.clip_sources import folder_sources, folder_validation, mixed_sources
from fiftyone_hs2s.training.data.annotated_video import AnnotatedVideo
from fiftyone_hs2s.training.data.pictures import Picture
from fiftyone_hs2s.training.loop import Trainer
from fiftyone_hs2s.training.run_config import TrainingConfig
from fiftyone_hs2s.training.validation import scorable


def train(
    config: TrainingConfig | str,
    run: str | Path,
    *,
    data: str | Path | None = None,
    videos: Sequence[AnnotatedVideo] = (),
    pictures: Sequence[Picture] = (),
    validation: Sequence[AnnotatedVideo] = (),
    minutes: float = float("inf"),
    num_workers: int = 1,
    progress: ProgressOption = None,
) -> Path:
    """Trains a network, or resumes the run in the folder.

    Args:
        config: the settings, or the name of those in ``training/configs``, or a YAML file
        run: the run folder
        data: folder below which the config's data folders are
        videos: annotated videos, with or instead of ``data``; those of a FiftyOne dataset are read by
            :func:`fiftyone_hs2s.dataset.train.material.read_material`
        pictures: pictures with masks, likewise
        validation: sequences to validate on, besides those that the config names below ``data``
        minutes: stop after this time
        num_workers: worker processes that make clips
        progress: whether to show a bar (None: on a terminal or in a notebook), or a function to call with a
            :class:`fiftyone_hs2s.progress.Progress` after each step

    Returns:
        the weights: the best by validation if this run validates, else the averaged ones

    Raises:
        HS2SError: for settings, data or a run folder that cannot be used, such as one in which another
            training is running, or a loss that is not finite
    """
    config = config if isinstance(config, TrainingConfig) else TrainingConfig.load(config)
    if data is None and not videos and not pictures:
        raise HS2SError("There is nothing to train on: give a data folder (--data) or a dataset (--dataset)")
    sources = folder_sources(config, Path(data)) if data is not None else []
    if videos or pictures:
        sources += mixed_sources(config, videos, [pictures])
    sequences = folder_validation(config, Path(data)) if data is not None else []
    with _only_training(Path(run)), reporting(progress) as report:
        trainer = Trainer(config, sources, Path(run), scorable([*sequences, *validation]), num_workers)
        trainer.train(minutes, report=report)
    return Path(run) / ("best.safetensors" if trainer.best else "weights.safetensors")


def _only_training(run: Path) -> AbstractContextManager[None]:
    """Of the processes that `accelerate launch` starts the first one writes, and keeps others out."""
    return lock_run(run) if os.environ.get("RANK", "0") == "0" else nullcontext()
