"""Paths of fields of frames: ``frames.<name>`` where the samples are videos, ``<name>`` where they are
images.

Users may leave the prefix out; here alone it is taken off and put back.
"""

from __future__ import annotations

from fiftyone_hs2s.dataset.compat import Samples, is_image_groups

KEYFRAME = "keyframe"
"""Attribute of detections whose mask was given, as the App's tracks have it: its timeline marks such
frames."""
PROPAGATION = "propagation"
"""Attribute of detections in which trackers sign, as FiftyOne's do; ours also say what a mask was made of."""
_PREFIX = "frames."


def field_name(path: str) -> str:
    """The name of a field, without ``frames.``."""
    return path.removeprefix(_PREFIX)


def is_frame_path(path: str) -> bool:
    """Whether a path is that of a field of a video's frames."""
    return path.startswith(_PREFIX)


def frame_path(name: str, is_video: bool = True) -> str:
    """The path of a field of the frames."""
    return f"{_PREFIX}{name}" if is_video else name


def joined_path(path: str) -> str:
    """The path that gives the values of all frames of a sample in one list."""
    return f"frames[].{field_name(path)}" if is_frame_path(path) else path


def field_path(samples: Samples, name: str) -> str:
    """The path of a field of the frames of samples: videos, clips, or images, in groups or not."""
    return frame_path(name, not is_images(samples))


def is_images(samples: Samples) -> bool:
    """Whether the samples are images, in groups or not."""
    return samples.media_type == "image" or is_image_groups(samples)
