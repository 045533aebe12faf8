"""Which frames are to be tracked again, since the keyframes beside them have changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from fiftyone_hs2s.dataset.objects import ObjectKey
from fiftyone_hs2s.dataset.propagate.keyframes import Keyframe, ObjectTrack


@dataclass(frozen=True, order=True)
class Stretch:
    """Frames in a row of which some objects are tracked from keyframes at one end, or both.

    Attributes:
        first: its first frame, 0-based
        last: its last frame
        before: whether the first frame is a keyframe
        after: whether the last one is
    """

    first: int
    last: int
    before: bool
    after: bool

    @property
    def inner(self) -> range:
        """The frames to track: those without keyframes."""
        return range(self.first + self.before, self.last + 1 - self.after)

    @property
    def steps(self) -> int:
        """How many frames the passes over it take together."""
        length = self.last - self.first + 1
        return 2 * (length - 1) if self.before and self.after else length


def stale_stretches(tracks: Mapping[ObjectKey, ObjectTrack], length: int) -> dict[Stretch, list[ObjectKey]]:
    """The stretches whose keyframes are not those, or not as they were, when a run of ours tracked them.

    Args:
        tracks: the objects
        length: number of frames

    Returns:
        the stretches in order, and the objects to track again in each
    """
    done = [index for track in tracks.values() for index in track.parents]
    span = (min(done), max(done)) if done else (0, length - 1)
    found: dict[Stretch, list[ObjectKey]] = {}
    for key, track in tracks.items():
        for stretch in stretches_of(track, *span):
            if not _is_fresh(track, stretch):
                found.setdefault(stretch, []).append(key)
    return dict(sorted(found.items()))


def stretches_of(track: ObjectTrack, first: int, last: int) -> Iterator[Stretch]:
    """The stretches between an object's keyframes, and after the last one, within frames ``first`` to
    ``last``.

    Those before the first keyframe are one if an earlier run has found the object there.
    """
    indices = sorted(track.keyframes)
    if not indices:
        return
    if any(index < indices[0] for index in track.parents):
        yield Stretch(first, indices[0], False, True)
    yield from (Stretch(start, end, True, True) for start, end in pairwise(indices) if end - start > 1)
    if indices[-1] < last:
        yield Stretch(indices[-1], last, True, False)


def stretches_beside(track: ObjectTrack, index: int, first: int, last: int, near: bool) -> Iterator[Stretch]:
    """The stretches of frames ``first`` to ``last`` that keyframes divide, one of which is ``index``.

    Args:
        track: the object, with a keyframe at ``index``
        index: a frame, 0-based
        first: the first frame of all stretches
        last: the last one
        near: whether to stop at the next keyframe on either side, where there is one
    """
    before = [i for i in sorted(track.keyframes) if first <= i < index]
    after = [i for i in sorted(track.keyframes) if index < i <= last]
    if near:
        before, after = before[-1:], after[:1]
    if first < index and not (near and before):
        yield Stretch(first, (before or [index])[0], False, True)
    ends = pairwise([*before, index, *after])
    yield from (Stretch(start, end, True, True) for start, end in ends if end - start > 1)
    if index < last and not (near and after):
        yield Stretch((after or [index])[-1], last, True, False)


def _is_fresh(track: ObjectTrack, stretch: Stretch) -> bool:
    """Whether all that the stretch shows was tracked from its keyframes as they are, and none of them is
    new."""
    ends = [
        track.keyframes[i]
        for i, there in ((stretch.first, stretch.before), (stretch.last, stretch.after))
        if there
    ]
    masks = {i: end.digest for end in ends for i in end.ids}
    found = [track.parents[index] for index in stretch.inner if index in track.parents]
    return all(parents.items() <= masks.items() for parents in found) and all(
        end.known or (found and all(_has_parent(parents, end) for parents in found)) for end in ends
    )


def _has_parent(parents: Mapping[str, str], keyframe: Keyframe) -> bool:
    return all(parents.get(i) == keyframe.digest for i in keyframe.ids)
