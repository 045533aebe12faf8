"""Whose labels are whose in a field that persons and runs write to: keyframes, and what was tracked from
them.

What a person made or changed is a keyframe: a mask with ``keyframe: true``, one that no tracker signed, or
one that is another than was signed. What a run of ours made is signed as the App's own trackers sign:
``propagation: {method, run_id, parent_keyframes}``. To that is added ``mask``, a digest of its own mask, and
``parent_masks``, those of its parents, which tell what was changed since.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import fiftyone as fo
import numpy as np

from fiftyone_hs2s.dataset.frame_paths import KEYFRAME, PROPAGATION
from fiftyone_hs2s.dataset.objects import Identity, ObjectKey, check_distinct, is_prompt

METHOD = "hs2s"
_COMPLETED = "completed"
"""Part of the signature on a person's label that a run of ours has given a mask."""

RelativeBox = tuple[float, ...]
"""Left, top, width and height in 0..1, as FiftyOne has boxes."""


def propagation_of(detection: fo.Detection) -> dict[str, Any]:
    """What a tracker signed a detection with; empty if none did."""
    return dict(detection[PROPAGATION] or {}) if detection.has_field(PROPAGATION) else {}


def is_keyframe(detection: fo.Detection) -> bool:
    """Whether a detection's mask is to be taken as it is: a person made or changed it, or it was given to
    a run."""
    given = is_prompt(detection) or not propagation_of(detection) or is_corrected(detection)
    return given and detection.has_mask


def is_corrected(detection: fo.Detection) -> bool:
    """Whether somebody has changed the mask that a run of ours made: the App's brush leaves its signature."""
    return not is_prompt(detection) and _is_changed(detection)


def is_of_person(detection: fo.Detection) -> bool:
    """Whether a signed label is a person's: a changed mask, a declared keyframe, or a box that got a mask."""
    made = propagation_of(detection)
    declared = is_prompt(detection) and "parent_masks" in made
    return declared or _COMPLETED in made or _is_changed(detection)


def _is_changed(detection: fo.Detection) -> bool:
    """Whether a mask is another one than a run of ours signed."""
    made = propagation_of(detection)
    own = made.get("method") == METHOD and "mask" in made and detection.has_mask
    return own and made["mask"] != _digest([detection])


def is_box(detection: fo.Detection) -> bool:
    """Whether a detection is a box without a mask that no tracker made."""
    return not detection.has_mask and not propagation_of(detection)


def is_ours(detection: fo.Detection) -> bool:
    """Whether a run of ours made the detection, and nobody has changed it or declared it a keyframe since."""
    own = propagation_of(detection).get("method") == METHOD
    return own and not is_prompt(detection) and not is_corrected(detection)


def key_of(detection: fo.Detection) -> ObjectKey:
    """Which object a detection shows."""
    return Identity.of(detection).key()


@dataclass(frozen=True)
class Keyframe:
    """The mask of an object on one frame, as a person made it or a run was given it.

    Attributes:
        ids: those of its detections; several are parts of the object
        digest: of the mask
        known: whether a run of ours put it there, and it is as it was then
    """

    ids: tuple[str, ...]
    digest: str
    known: bool = False

    @classmethod
    def of(cls, detections: Iterable[fo.Detection]) -> Keyframe:
        """The keyframe that the detections of an object make."""
        found = list(detections)
        digest = _digest(found)
        known = all(_was_given(propagation_of(d)) and propagation_of(d)["mask"] == digest for d in found)
        return cls(tuple(d.id for d in found), digest, known)


def _was_given(signature: dict[str, Any]) -> bool:
    """Whether a run of ours was given the mask that it signed, rather than that it made it."""
    return "mask" in signature and "parent_masks" not in signature


@dataclass
class ObjectTrack:
    """What a field has of one object.

    Attributes:
        identity: who it is
        keyframes: by 0-based frame index
        corrected: the frames whose keyframe is a result that somebody has changed
        parents: by frame index, for what runs of ours made: the digests of the parents' masks by their ids
        boxes: those of its keyframes, and boxes without a mask that recur: FiftyOne copies the box of what is
            drawn to the frames that follow
    """

    identity: Identity
    keyframes: dict[int, Keyframe] = field(default_factory=dict)
    parents: dict[int, dict[str, str]] = field(default_factory=dict)
    boxes: set[RelativeBox] = field(default_factory=set)
    corrected: set[int] = field(default_factory=set)


def read_tracks(
    labels: Iterable[tuple[int, fo.Detections | None]], first_number: int = 1
) -> dict[ObjectKey, ObjectTrack]:
    """Reads who is in a field, where the keyframes are, and what was tracked from which.

    Args:
        labels: the detections of each labeled frame by 0-based frame index
        first_number: the frame number of index 0, for messages

    Raises:
        HS2SError: if objects cannot be told apart
    """
    tracks: dict[ObjectKey, ObjectTrack] = {}
    boxes: Counter[tuple[ObjectKey, RelativeBox]] = Counter()
    for index, detections in labels:
        drawn = [d for d in (detections.detections if detections else ()) if is_box(d) and d.bounding_box]
        for detection in drawn:
            tracks.setdefault(key_of(detection), ObjectTrack(Identity.of(detection)))
        boxes.update({(key_of(d), tuple(d.bounding_box)) for d in drawn})
        found = [d for d in (detections.detections if detections else ()) if is_keyframe(d) or is_ours(d)]
        check_distinct([key_of(d) for d in found], index + first_number)
        given: dict[ObjectKey, list[fo.Detection]] = {}
        for detection in found:
            key = key_of(detection)
            track = tracks.setdefault(key, ObjectTrack(Identity.of(detection)))
            if is_keyframe(detection):
                given.setdefault(key, []).append(detection)
                track.boxes.add(tuple(detection.bounding_box))
            else:
                sign = propagation_of(detection)
                ids, digests = sign.get("parent_keyframes", ()), sign.get("parent_masks", ())
                track.parents[index] = dict(zip(map(str, ids), digests, strict=False))
        for key, parts in given.items():
            tracks[key].keyframes[index] = Keyframe.of(parts)
            if any(is_corrected(part) for part in parts):
                tracks[key].corrected.add(index)
    for (key, box), count in boxes.items():
        if count > 1:
            tracks[key].boxes.add(box)
    return tracks


def sign(detection: fo.Detection, run_id: str, parents: Collection[Keyframe]) -> None:
    """Notes on a detection which run of ours made it, from which keyframes."""
    rows = [(i, parent.digest) for parent in parents for i in parent.ids]
    detection[PROPAGATION] = {
        "method": METHOD,
        "run_id": run_id,
        "parent_keyframes": [i for i, _ in rows],
        "parent_masks": [digest for _, digest in rows],
        "mask": _digest([detection]),
    }


def sign_keyframe(detection: fo.Detection, run_id: str) -> None:
    """Notes on a mask that was given which run of ours put it there, and what it was like.

    What the mask was made of, if it was, stays noted: ``prompt`` and ``mask_maker``.
    """
    signature = {"method": METHOD, "run_id": run_id, "parent_keyframes": [], "mask": _digest([detection])}
    detection[PROPAGATION] = {**propagation_of(detection), **signature}


def signed(
    labels: Iterable[tuple[int, fo.Detections]], run_id: str, given: Mapping[ObjectKey, ObjectTrack]
) -> Iterator[tuple[int, fo.Detections]]:
    """Signs what a run finds: each detection with the keyframe that it was tracked from.

    Args:
        labels: frame index and detections, in the order of the tracking
        run_id: names the run
        given: the keyframes that are in the field already
    """
    known: dict[ObjectKey, dict[int, Keyframe]] = {}
    for index, detections in labels:
        for detection in detections.detections:
            own = known.setdefault(key_of(detection), {})
            if is_prompt(detection):
                sign_keyframe(detection, run_id)
                there = given[key].keyframes if (key := key_of(detection)) in given else {}
                own[index] = there.get(index) or Keyframe.of([detection])
            else:
                earlier = [i for i in own if i < index] or list(own)
                sign(detection, run_id, [own[min(earlier, key=lambda i: abs(i - index))]] if own else [])
        yield index, detections


def merged(
    current: fo.Detections | None, new: Iterable[fo.Detection], tracks: Mapping[ObjectKey, ObjectTrack]
) -> fo.Detections:
    """A frame's detections once a run has done some objects again.

    Only what runs of ours made of these objects is replaced, and the copies of a keyframe's box that FiftyOne
    puts on the frames after a mask that is drawn.

    Args:
        current: what is there
        new: what the run found; a label that is there already, and was completed, is put in its place
        tracks: the objects that are done again
    """
    found = {d.id: d for d in new}
    there = [found.pop(d.id, d) for d in (current.detections if current else ())]
    kept = [d for d in there if not _gives_way(d, tracks.get(key_of(d)))]
    held = {key_of(d) for d in kept if is_keyframe(d)}
    for detection in kept:
        if is_corrected(detection):
            detection[KEYFRAME] = True
    return fo.Detections(detections=kept + [d for d in found.values() if key_of(d) not in held])


def completed(person: Iterable[fo.Detection], found: fo.Detection) -> fo.Detection:
    """What a person has of the object that a mask was given for, completed by what is known of it since.

    A box gets the mask that was made of it, and what has nothing but a label an instance or index.

    Args:
        person: the labels of the frame
        found: the mask as a run writes it

    Returns:
        the person's label, or what was found if that label lacks nothing
    """
    same = [d for d in person if _lacks_something(d) and _may_be(d, found)]
    if not same:
        return found
    label = max(same, key=lambda d: _overlap(tuple(d.bounding_box), tuple(found.bounding_box)))
    label.index = found.index if label.index is None else label.index
    if label.instance_id is None and found.instance_id is not None:
        label.instance = fo.Instance(id=found.instance_id)
    if not label.has_mask:
        label.mask, label.bounding_box = found.mask, found.bounding_box
        label[PROPAGATION] = {**propagation_of(found), _COMPLETED: True}
    label[KEYFRAME] = True
    return label


def _lacks_something(detection: fo.Detection) -> bool:
    return is_box(detection) or (is_keyframe(detection) and key_of(detection)[0] == "label")


def _may_be(detection: fo.Detection, found: fo.Detection) -> bool:
    key = key_of(detection)
    return key == key_of(found) or key == ("label", found.label)


def _overlap(box: RelativeBox, other: RelativeBox) -> float:
    """Intersection over union of two boxes."""
    sides = [
        max(min(a + c, b + d) - max(a, b), 0)
        for a, b, c, d in zip(box[:2], other[:2], box[2:], other[2:], strict=True)
    ]
    both = sides[0] * sides[1]
    return both / (box[2] * box[3] + other[2] * other[3] - both or 1)


def _gives_way(detection: fo.Detection, track: ObjectTrack | None) -> bool:
    if track is None:
        return False
    copied = (
        not detection.has_mask
        and not is_prompt(detection)
        and tuple(detection.bounding_box or ()) in track.boxes
    )
    return is_ours(detection) or copied


def _digest(detections: Iterable[fo.Detection]) -> str:
    """Names the masks of detections: the same for the same pixels in the same boxes, in any order."""
    parts = []
    for detection in detections:
        mask = np.asarray(detection.get_mask()) != 0
        box = np.round(np.array(detection.bounding_box, float), 6)
        parts.append(repr(mask.shape).encode() + box.tobytes() + np.packbits(mask).tobytes())
    return blake2b(b"".join(sorted(parts)), digest_size=8).hexdigest()
