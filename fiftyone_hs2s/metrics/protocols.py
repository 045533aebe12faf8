"""Which objects and which frames count, and how their J and F become one number: the protocols by name."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fiftyone_hs2s.choices import check_choice
from fiftyone_hs2s.metrics.scores import ObjectScores, SequenceScores


@dataclass(frozen=True)
class Protocol:
    """How a sequence is scored.

    All of them leave the temporal stability T out: DAVIS-2017 dropped it, since it misleads under occlusion.
    """

    name: str
    merge_objects: bool = False
    """All objects of a label map are one."""
    skip_ends: bool = False
    """The first and the last annotated frame of the sequence do not count."""
    first_frame_objects: bool = False
    """Objects with an id above the highest one of the first annotated frame do not count."""
    after_appearance: bool = False
    """Frames count from the one after the object's first."""
    exclude_void: bool = False
    """Void pixels are left out instead of being background."""
    skip_prompts: bool = True
    """Masks that the tracker was given do not count: they say nothing about how it tracks."""


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol("davis2016", merge_objects=True, skip_ends=True),
        Protocol("davis2017", skip_ends=True, first_frame_objects=True),
        Protocol("youtube-vos", after_appearance=True, exclude_void=True),
        Protocol("appearance", skip_ends=True, after_appearance=True),
        Protocol("all", exclude_void=True, skip_prompts=False),
    )
}
"""The protocols by name.

Where predictions say which of their masks the tracker was given (``ObjectScores.prompted``), such a mask
counts for ``all`` alone: the official protocols leave out the first one, and a correction is no more a result
than that.

``davis2016``: one foreground object; all frames but the first and the last; mean over frames, then over
sequences.

``davis2017`` (semi-supervised task): the objects of the first frame; all frames but the first and the last;
mean over frames, then over the objects of all sequences. Differences to the official code
(davis2017-evaluation): a predicted id that is not in the truth, a missing frame or one of another size does
not end the program, see ``evaluate_folders``; an id below the highest one of the first frame that never
appears in the truth is no object (there it scores 1 wherever it is not predicted); decay is right for more
than 255 frames (there the limits of the quarters overflow).

``youtube-vos``: all objects; the annotated frames after the object's first, also those on which it is absent;
mean over frames, then over objects; with seen and unseen classes G, the mean of the four J and F. The
server's code is not public: that the first frame of an object is left out is the common reading.

``appearance`` (MOSE, LVOS, SA-V): as ``davis2017``, and objects that come later too, each on the frames after
its first; frames on which an object has no truth of its own, as in SA-V, do not count. For objects of the
first frame these are the numbers of the evaluators of MOSE and SA-V; for later ones those count the given
mask as a result. LVOS's own counts that mask for all objects, and averages over seen and unseen videos.

``all``: all objects and all annotated frames, prompts too; void pixels left out.
"""


def get_protocol(name: str | Protocol) -> Protocol:
    """The protocol of that name.

    Raises:
        HS2SError: if there is none
    """
    if isinstance(name, Protocol):
        return name
    return PROTOCOLS[check_choice("protocol", name, PROTOCOLS)]


def scored_ids(sequence: SequenceScores, protocol: Protocol) -> list[int]:
    """The ids of the objects that count, ascending: those in the truth, with the protocol's restriction."""
    ids = sequence.true_ids
    if not protocol.first_frame_objects or not sequence.annotated.any():
        return ids
    first = int(np.argmax(sequence.annotated))
    highest = max((i for i in ids if sequence.objects[i].truth_area[first]), default=0)
    return [i for i in ids if i <= highest]


def counted_frames(scores: ObjectScores, protocol: Protocol) -> np.ndarray:
    """Which frames count for an object.

    Returns:
        bool (T,), aligned with ``scores.frames``
    """
    counted = scores.annotated.copy()
    if protocol.skip_ends:
        counted[np.flatnonzero(counted)[[0, -1]] if counted.any() else []] = False
    if protocol.after_appearance:
        appeared = np.flatnonzero(scores.visible())
        counted[: appeared[0] + 1 if len(appeared) else None] = False
    if protocol.skip_prompts:
        counted &= ~scores.prompted
    return counted


def counted_prompts(scores: ObjectScores, protocol: Protocol) -> int:
    """On how many frames the mask was given, of those that count or would count if it were a result."""
    return int((counted_frames(scores, replace(protocol, skip_prompts=False)) & scores.prompted).sum())


@dataclass(frozen=True)
class Statistics:
    """J or F of an object over its frames, or the means of these over objects."""

    mean: float
    recall: float
    """Share of frames with a value over 0.5."""
    decay: float
    """Mean of the first quarter of the frames minus mean of the last: what is lost over time."""


def frame_statistics(values: np.ndarray) -> Statistics:
    """Mean, recall and decay of J or F over frames, as ``db_statistics`` of the DAVIS code has them.

    Its quarters share their border frames. Its fault, bin limits in 8 bits that make decay wrong for clips
    over 255 frames, is not copied.

    Args:
        values: float (T,), T >= 1
    """
    limits = (np.round(np.linspace(1, len(values), 5) + 1e-10) - 1).astype(int)
    first, last = values[: limits[1] + 1], values[limits[3] :]
    return Statistics(float(values.mean()), float((values > 0.5).mean()), float(first.mean() - last.mean()))


def mean_statistics(items: list[Statistics]) -> Statistics:
    """The means of statistics, each with the same weight; NaN if there are none."""
    if not items:
        return Statistics(*3 * (float("nan"),))
    return Statistics(*np.mean([(item.mean, item.recall, item.decay) for item in items], axis=0).tolist())
