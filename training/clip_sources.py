"""From a configuration to what clips are drawn from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.training.data.annotated_video import AnnotatedVideo
from fiftyone_hs2s.training.data.boards import Boards
from fiftyone_hs2s.training.data.clip import ClipSource
from fiftyone_hs2s.training.data.copy_paste import CopyPaste
from fiftyone_hs2s.training.data.pictures import Picture, PictureClips, list_pictures
from fiftyone_hs2s.training.data.video_folders import VideoFolder, list_videos, read_video
from fiftyone_hs2s.training.data.videos import VideoClips
from fiftyone_hs2s.training.run_config import TrainingConfig

Weighted = tuple[ClipSource, float]


def folder_sources(config: TrainingConfig, data: Path) -> list[Weighted]:
    """The configuration's videos and pictures below a folder.

    Raises:
        HS2SError: if there are none
    """
    videos = _videos(data, config, config.videos)
    pictures = [list_pictures(root) for root in find_folders(data, config.pictures, "Masks")]
    return mixed_sources(config, videos, pictures, _videos(data, config, config.rendered))


def folder_validation(config: TrainingConfig, data: Path) -> list[VideoFolder]:
    """The configuration's sequences for validation, as ``set/sequence`` below a folder.

    Raises:
        HS2SError: if one has no frames or no masks
    """
    return [read_video(data / Path(name).parent, Path(name).name) for name in config.validation]


def _videos(data: Path, config: TrainingConfig, patterns: tuple[str, ...]) -> list[VideoFolder]:
    roots = find_folders(data, patterns, "Annotations", "sequences.json")
    return [video for root in roots for video in list_videos(root, config.exclude)]


def mixed_sources(
    config: TrainingConfig,
    videos: Sequence[AnnotatedVideo],
    pictures: Sequence[Sequence[Picture]],
    rendered: Sequence[AnnotatedVideo] = (),
) -> list[Weighted]:
    """What clips are drawn from, and how often.

    Args:
        config: how they are made
        videos: annotated videos
        pictures: sets of pictures with masks, which are moved
        rendered: videos with several objects, look-alikes and occlusion

    Raises:
        HS2SError: if no clip can be made of them
    """
    sets = [pairs for pairs in pictures if pairs]
    several: dict[str, Any] = {"objects": config.objects, "near": config.near, "min_area": config.min_area}
    course: dict[str, Any] = {
        "longest": config.max_step,
        "reverse": config.reverse,
        "every_object": config.every_object,
    }
    moved = PictureClips(sets, distractors=config.distractors, **several) if sets else None
    video_clips = VideoClips(videos, moved, **several, **course, **config.affine) if videos else None
    shares = (config.video_share, 1 - config.video_share) if video_clips and moved else (1.0, 1.0)
    parts = [(source, share) for source, share in zip((video_clips, moved), shares, strict=True) if source]
    mixed: list[Weighted] = list(parts)
    if config.copy_paste:
        mixed = [
            (CopyPaste(host, parts, config.copy_paste, config.twins, **several), weight)
            for host, weight in parts
        ]
    if rendered:  # as they are: they have several objects, look-alikes and occlusion already
        rest = 1 - config.rendered_share if mixed else 0.0
        clips = VideoClips(rendered, **several, **course, **config.affine)
        mixed = [*((source, weight * rest) for source, weight in mixed), (clips, 1 - rest)]
    if not mixed:
        raise HS2SError(
            "There is no usable clip: it takes a video with two annotated frames, or a picture with masks"
        )
    return [(Boards(source, config.hidden), weight) for source, weight in mixed] if config.hidden else mixed


def find_folders(data: Path, patterns: tuple[str, ...], *content: str) -> list[Path]:
    """The folders below ``data`` that hold one of the contents: patterns may also match others.

    Raises:
        HS2SError: if there are patterns, but no such folder
    """
    found = [path for pattern in patterns for path in sorted(data.glob(pattern))]
    folders = [path for path in found if any((path / name).exists() for name in content)]
    if patterns and not folders:
        raise HS2SError(
            f"No folder {' or '.join(patterns)} with {' or '.join(content)} below {data}; check --data"
        )
    return folders
