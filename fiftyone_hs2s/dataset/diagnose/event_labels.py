"""Events in words, and as labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import fiftyone as fo

from fiftyone_hs2s.metrics import Event

Names = Mapping[int, str]
"""What to call the objects, by number."""
EVENT_ATTRIBUTES: dict[str, type[fo.Field]] = {
    "kind": fo.StringField,
    "object": fo.StringField,
    "explanation": fo.StringField,
    "severity": fo.FloatField,
    "worst_frame": fo.IntField,
}
"""What an event's label has beside FiftyOne's own attributes."""
EVENT_LABELS: dict[type[fo.Label], str] = {
    fo.TemporalDetections: "detections",
    fo.Classifications: "classifications",
}
"""The labels of events on videos, and on the images of groups, and in what each lists them."""
IMAGE_ATTRIBUTES: dict[str, type[fo.Field]] = {
    "first": fo.IntField,
    "last": fo.IntField,
    "worst": fo.BooleanField,
}
"""What it has beside these on the images of a group: the interval, and whether this is the worst image."""


def kind_in_words(label: str) -> str:
    """What an event is called where people read it: ``identity switch``."""
    return label.replace("_", " ")


def object_name(names: Names, number: int) -> str:
    """What to call an object."""
    return names.get(number, f"object {number}")


def event_title(event: Event, names: Names) -> str:
    """Kind and object: ``identity switch: dog 2``."""
    return f"{kind_in_words(event.label)}: {object_name(names, event.object_id)}"


def explanation(event: Event, names: Names) -> str:
    """What happens to the object meanwhile, in some words with the numbers that belong to this kind of
    event."""
    return _EXPLANATIONS[event.label](event, names)


def temporal_detection(event: Event, names: Names) -> fo.TemporalDetection:
    """The event as the App's timeline shows it, and as a clip of it is called."""
    return fo.TemporalDetection(support=[event.first, event.last], **_attributes(event, names))


def classification(event: Event, names: Names, number: int) -> fo.Classification:
    """The event as an image of a group shows it, which is the one of this number, counted from 1."""
    interval = {"first": event.first, "last": event.last, "worst": number == (event.worst or event.first)}
    return fo.Classification(**_attributes(event, names), **interval)


def _attributes(event: Event, names: Names) -> dict[str, Any]:
    severity = f" ({event.severity:.2f})" if event.object_id else ""  # a scene cut has none
    return {
        "label": f"{event_title(event, names)}{severity}",
        "kind": kind_in_words(event.label),
        "object": object_name(names, event.object_id),
        "explanation": explanation(event, names),
        "severity": event.severity,
        "worst_frame": event.worst,
    }


def _frames(count: int) -> str:
    return f"{count} frame" + ("s" if count != 1 else "")


def _occlusion(event: Event, names: Names) -> str:
    return f"hidden for {_frames(event.details['frames'])}, " + (
        "then visible again" if event.details["reappears"] else "to the end"
    )


def _reappearance(event: Event, names: Names) -> str:
    delay = event.details["frames_to_recover"]
    if delay is None:
        return "visible again, but not tracked again"
    return "tracked again at once" if delay == 0 else f"tracked again after {_frames(delay)}"


def _vanished(event: Event, names: Names) -> str:
    return f"no mask for {_frames(event.details['frames'])}" + (
        "" if event.details["reappears"] else ", to the end"
    )


def _disagreement(event: Event, names: Names) -> str:
    start = event.details.get("prompt_J")
    there = "" if start is None else f", and {start:.2f} where the object was first masked"
    return f"J with the other run is {1 - event.severity:.2f} on average{there}"


def _low_score(event: Event, names: Names) -> str:
    return "{reason} since frame {first}: J {J:.2f}, F {F:.2f} on average".format(
        first=event.first, **event.details
    )


_EXPLANATIONS: dict[str, Callable[[Event, Names], str]] = {
    "occlusion": _occlusion,
    "partial_occlusion": lambda event, _: (
        f"at times only {event.details['visible_share']:.0%} of its usual area"
    ),
    "reappearance": _reappearance,
    "lost": lambda *_: "visible, but the mask is elsewhere or empty",
    "drift": lambda event, _: f"J is {event.details['drop']:.2f} below its best level",
    "identity_switch": lambda event, names: f"the mask is on {object_name(names, event.details['other_id'])}",
    "leak": lambda event, _: f"the mask is up to {event.details['ratio']:.1f} times as large as the object",
    "hallucination": lambda *_: "a mask while the object is not in view",
    "low_score": _low_score,
    "vanished": _vanished,
    "reappeared": lambda event, _: f"a mask again after {_frames(event.details['frames'])} without one",
    "area_jump": lambda event, _: (
        f"the area changes up to {event.details['ratio']:.1f} times between two frames"
    ),
    "position_jump": lambda event, _: (
        f"the mask jumps by up to {event.details['diameters']:.1f} of its diameters"
    ),
    "low_confidence": lambda event, _: f"the tracker's confidence is {1 - event.severity:.2f} on average",
    "disagreement": _disagreement,
    "scene_cut": lambda *_: "another scene begins",
}
