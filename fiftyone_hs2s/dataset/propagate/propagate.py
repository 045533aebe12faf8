"""Propagates masks through the videos of a dataset, streaming."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

import fiftyone as fo

from fiftyone_hs2s.choices import (
    DIRECTIONS,
    PROMPT_FRAMES,
    SCENE_CUTS,
    Direction,
    PromptFrames,
    SceneCuts,
    check_choice,
)
from fiftyone_hs2s.dataset.bars import fiftyone_reporting
from fiftyone_hs2s.dataset.compat import root_dataset
from fiftyone_hs2s.dataset.database import explained
from fiftyone_hs2s.dataset.fields import check_fields
from fiftyone_hs2s.dataset.find_sequences import check_disjoint, find_sequences
from fiftyone_hs2s.dataset.propagate.in_place import find_in_place
from fiftyone_hs2s.dataset.propagate.model import HS2SVideoModel, as_model
from fiftyone_hs2s.dataset.propagate.propagation_report import PropagationReport
from fiftyone_hs2s.dataset.propagate.propagation_run import PropagationRun
from fiftyone_hs2s.dataset.propagate.sample_job import SampleJob
from fiftyone_hs2s.dataset.propagate.status import StatusField
from fiftyone_hs2s.engines import Engine
from fiftyone_hs2s.progress import ProgressOption


@explained
def propagate(
    samples: fo.Dataset | fo.DatasetView,
    model: HS2SVideoModel | str | None = None,
    *,
    prompt_field: str | Sequence[str],
    label_field: str,
    direction: Direction | None = None,
    prompt_frames: PromptFrames | None = None,
    scene_cuts: SceneCuts | None = None,
    overwrite: bool = False,
    skip_failures: bool = True,
    batch_size: int = 200,
    batch_videos: int = 1,
    num_workers: int | Engine | None = None,
    progress: ProgressOption = None,
) -> PropagationReport:
    """Propagates the masks of some frames through whole videos.

    Labels are written while a video is tracked, so the memory needed doesn't grow with its length. The sample
    field ``<label_field>_status`` says which samples are ``complete`` and why others ``failed: ...``: a
    second run skips the complete ones, and does those again that were interrupted or failed. Several runs, on
    several machines too, may work on the same samples and fields at once: each sample is done by the run that
    comes to it first.

    The App then colors the dataset's labels by object, unless somebody has chosen its colors.

    Args:
        samples: videos, clips, or images in ordered groups (``dataset.group_by("sequence_id",
            order_by=...)``)
        model: a model of :func:`fiftyone_hs2s.load_model`, or its name; None for the default
        prompt_field: the frame field, or fields, with what objects start from; ``frames.`` may be left out:
            ``Detections`` with or without masks, ``Polylines``, ``Segmentation`` (each value an object) or
            ``Keypoints``. Boxes and points become masks by the model's mask maker
        label_field: the frame field for the results; ``frames.`` may be left out. It may be the prompt field:
            its masks that a person made (``keyframe``, or signed by no tracker) are the prompts then, and
            stay as they are; only what an earlier run made is replaced
        direction: ``"forward"``, ``"backward"`` or ``"both"``; None for the model's own
        prompt_frames: ``"first"`` takes each object from its first mask, ``"all"`` re-anchors it on every
            frame that has one; None for the model's own
        scene_cuts: what becomes of tracks where another scene begins: ``"ignore"`` tracks on, ``"stop"`` ends
            them there until the object has another mask, ``"restart"`` forgets the scene and looks for each
            object anew from its last mask; None for the model's own. The numbers of the frames that begin a
            scene are noted in the sample field ``<label_field>_scene_cuts``, of videos
        overwrite: also do finished samples, and replace labels that something else put into ``label_field``
        skip_failures: log a sample that fails and continue with the next one
        batch_size: number of frames whose labels are written at once
        batch_videos: number of videos that each process tracks at once; their frames go through the network
            as one batch, which keeps a GPU busy. The labels are those of one video at a time, but for
            rounding; memory grows by the videos' states alone. For the runtime ``torch``
        num_workers: processes that take one sample after the other, each with a model of its own; None for
            one on each GPU where there are several, else none but this one. They share the cores, and take
            some seconds to start. One that is killed loses the sample that it was at. An engine of
            :mod:`fiftyone_hs2s.distributed` spreads the samples over machines
        progress: whether to show a bar (None: as ``fiftyone.config.show_progress_bars`` says), or a function
            to call instead with a :class:`fiftyone_hs2s.progress.Progress` after each frame

    Returns:
        what was done

    Raises:
        HS2SError: if the fields or options cannot work, or the database, the dataset or a field is gone
            meanwhile; without ``skip_failures`` also if a sample fails
    """
    prompt_fields, label_field = check_fields(samples, prompt_field, label_field)
    model = as_model(model)
    with fiftyone_reporting(progress) as show:
        job = SampleJob(
            model,
            prompt_fields,
            label_field,
            check_choice("direction", direction or model.direction, DIRECTIONS),
            check_choice("prompt_frames", prompt_frames or model.prompt_frames, PROMPT_FRAMES),
            check_choice("scene_cuts", scene_cuts or model.scene_cuts, SCENE_CUTS),
            overwrite,
            skip_failures,
            batch_size,
            batch_videos,
            run_id=uuid4().hex,
        )
        run = PropagationRun(job, StatusField(root_dataset(samples), label_field), num_workers, show)
        check_disjoint(find_sequences(samples))
        in_place = prompt_fields == (label_field,)
        sequences = find_in_place(samples, label_field) if in_place else find_sequences(samples)
        return run.run(sequences)
