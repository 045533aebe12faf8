"""J&F of a network on whole videos, tracked as users track."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

import numpy as np

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.masks import object_ids
from fiftyone_hs2s.metrics import Evaluation, Protocol, SequenceScorer, SequenceScores, summarize
from fiftyone_hs2s.network import HS2S
from fiftyone_hs2s.tracking import MissingFrameError, Tracker, track
from fiftyone_hs2s.training.data.annotated_video import AnnotatedVideo, OpenVideo, open_video

logger = logging.getLogger(__name__)

PROTOCOL = Protocol("validation", skip_ends=True, after_appearance=True)
"""DAVIS 2017, for objects that come later too: each counts from the frame after its prompt."""


def scorable(videos: Sequence[AnnotatedVideo]) -> list[AnnotatedVideo]:
    """The videos that can be scored; the others are named and left out.

    Raises:
        HS2SError: if one cannot be read, or if there are some, but none can be scored
    """
    good = []
    for video in videos:
        with _named(video):
            good += [video] if _is_scorable(video) else []
    if lost := ", ".join(video.name for video in videos if video not in good):
        reason = (
            f"nothing to score in {lost}: annotate two frames more than an object's first, the last does not"
            " count"
        )
        if not good:
            raise HS2SError(f"the validation has {reason}")
        logger.warning("Left out of the validation: %s", reason)
    return good


def validate(
    network: HS2S, videos: Sequence[AnnotatedVideo], size: tuple[int, int] = (256, 448)
) -> Evaluation:
    """Tracks each object from its first mask, and scores it as DAVIS does.

    Args:
        network: it is put to evaluation mode
        videos: what to track
        size: (h, w) that the network sees

    Returns:
        J, F and J&F in 0..1

    Raises:
        HS2SError: if a video cannot be read; names it
    """
    return summarize(score_videos(network, videos, size), PROTOCOL)


def score_videos(
    network: HS2S, videos: Sequence[AnnotatedVideo], size: tuple[int, int] = (256, 448)
) -> dict[str, SequenceScores]:
    """The scores of each video by its name, to be summarized; see :func:`validate`."""
    device = next(network.parameters()).device
    # An export would take longer than what it saves before the weights are others.
    tracker = Tracker(network, size, device=device, precision="float32", runtime="torch")
    scores = {}
    for video in videos:
        with _named(video):
            scores[video.name] = _score(tracker, video)
    return scores


def _is_scorable(video: AnnotatedVideo) -> bool:
    truth = open_video(video).truth()
    return any(object_ids(label_map) for _, label_map in truth) and len(list(islice(truth, 2))) == 2


def _score(tracker: Tracker, video: AnnotatedVideo) -> SequenceScores:
    opened, scorer = open_video(video), SequenceScorer()
    truth = opened.truth()
    wanted = next(truth, None)
    for index, tracked in track(tracker, opened.frames, _first_masks(opened)):
        while wanted is not None and wanted[0] <= index:
            scorer.update(wanted[1], tracked.label_map if wanted[0] == index else None)
            wanted = next(truth, None)
    if wanted is not None:
        first, reason = wanted[0] + video.first_number, opened.frames.incomplete
        logger.warning("Masks from frame %d on of %s are not scored: %s", first, video.name, reason)
    return scorer.finish()


@contextmanager
def _named(video: AnnotatedVideo) -> Iterator[None]:
    """Names the video in an error, and its frames as its users do."""
    try:
        yield
    except HS2SError as error:
        if isinstance(error, MissingFrameError):
            error = error.numbered_from(video.first_number)
        raise HS2SError(f"{video.name} cannot be validated on: {error}") from error


def _first_masks(video: OpenVideo) -> dict[int, dict[int, np.ndarray]]:
    """The first mask of each object, as the tracker takes them: {frame index: {id: mask}}.

    The tracker would choose them itself, but the masks of all frames at once would fill the memory.
    """
    seen: set[int] = set()
    prompts = {}
    for index, label_map in video.truth():
        if new := [i for i in object_ids(label_map) if i not in seen]:
            prompts[index] = {i: label_map == i for i in new}
            seen.update(new)
    return prompts
