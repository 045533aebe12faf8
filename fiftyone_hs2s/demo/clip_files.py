"""The demo clip as files: a video, and its label maps in DAVIS layout."""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fiftyone_hs2s.demo import assets
from fiftyone_hs2s.demo import demo_clip as clip
from fiftyone_hs2s.files import write_text
from fiftyone_hs2s.masks import write_label_map
from fiftyone_hs2s.video_writer import write_video


def make_clip(folder: Path) -> tuple[Path, Path]:
    """Makes the demo clip, unless it is there already and of this version.

    Args:
        folder: where to put it; must exist

    Returns:
        the video (MP4), and the folder of its label maps (``00000.png``, ``00001.png``, ...)
    """
    video, masks = folder / "dahlia.mp4", folder / "dahlia"
    version = _version()
    stamp = masks / ".version"
    if video.exists() and stamp.exists() and stamp.read_text() == version:
        return video, masks
    print(f"making the demo clip, {clip.LENGTH} frames")
    shutil.rmtree(masks, ignore_errors=True)
    masks.mkdir()
    write_video(video, _frames_while_writing_masks(masks), clip.FPS)
    write_text(stamp, version)
    return video, masks


def _frames_while_writing_masks(folder: Path) -> Iterator[np.ndarray]:
    for index, (frame, label_map) in enumerate(clip.render_clip(clip.LENGTH)):
        write_label_map(folder / f"{index:05}.png", label_map)
        yield frame


def _version() -> str:
    """Changes with the code that makes the clip."""
    return str([zlib.crc32(Path(str(module.__file__)).read_bytes()) for module in (assets, clip)])
