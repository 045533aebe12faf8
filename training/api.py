"""Training from Python: the same as ``python -m training``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.progress import ProgressOption, reporting
from fiftyone_hs2s.training.config import TrainingConfig
from fiftyone_hs2s.training.lock import lock_run
from fiftyone_hs2s.training.loop import Trainer
from fiftyone_hs2s.training.sources import dataset_sources, dataset_validation, folder_sources, folder_validation
from fiftyone_hs2s.training.validation import scorable


def train(
    config: TrainingConfig | str,
    run: str | Path,
    *,
    data: str | Path | None = None,
    samples: Any = None,
    field: str | None = None,
    validation: Any = None,
    minutes: float = float("inf"),
    workers: int = 1,
    overrides: Sequence[str] = (),
    progress: ProgressOption = None,
) -> Path:
    """Trains a network; goes on where the run in the folder stopped.

    Args:
        config: the settings, or the name of those in ``training/configs``, or a YAML file
        run: the run folder
        data: folder below which the config's data folders are
        samples: a FiftyOne dataset or view of videos or of images, or a dataset's name; with or instead of ``data``
        field: its field of masks: a frame field of videos (``frames.`` may be left out), a field of images
        validation: another FiftyOne dataset or view of videos or of ordered groups of images (or its name) with that
            field, to validate on; or a list of sequences
        minutes: stop after this time
        workers: worker processes that make clips
        overrides: ``key=value`` settings, with ``a.b=c`` for those within others
        progress: whether to show a bar (None: on a terminal or in a notebook), or a function to call with a
            :class:`fiftyone_hs2s.progress.Progress` after each step

    Returns:
        the weights: the best by validation if this run validates, else the averaged ones

    Raises:
        HS2SError: for settings, data or a run folder that cannot be used, such as one in which another training is
            running, or a loss that is not finite
    """
    config = config if isinstance(config, TrainingConfig) else TrainingConfig.load(config, overrides)
    if data is None and samples is None:
        raise HS2SError("There is nothing to train on: give a data folder (--data) or a dataset (--dataset)")
    sources = folder_sources(config, Path(data)) if data is not None else []
    sequences = folder_validation(config, Path(data)) if data is not None else []
    if samples is not None:
        if not field:
            raise HS2SError("Name the field with the masks of the dataset (--field), such as frames.ground_truth")
        sources += dataset_sources(config, _samples(samples), field)
    if isinstance(validation, list):
        sequences += validation
    elif validation is not None:
        sequences += dataset_validation(_samples(validation), field or "")
    with _only_training(Path(run)), reporting(progress) as report:
        trainer = Trainer(config, sources, Path(run), scorable(sequences), workers)
        trainer.train(minutes, report=report)
    return Path(run) / ("best.safetensors" if trainer.best else "weights.safetensors")


def _only_training(run: Path) -> AbstractContextManager[None]:
    """Of the processes that `accelerate launch` starts the first one writes, and keeps others out."""
    return lock_run(run) if os.environ.get("RANK", "0") == "0" else nullcontext()


def _samples(samples: Any) -> Any:
    if not isinstance(samples, str):
        return samples
    import fiftyone as fo

    if samples not in fo.list_datasets():
        raise HS2SError(f"There is no dataset {samples!r}: there are {', '.join(fo.list_datasets()) or 'none'}")
    return fo.load_dataset(samples)
