"""From a configuration to what clips are drawn from: folders, or FiftyOne datasets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.training.config import TrainingConfig
from fiftyone_hs2s.training.data.clip import ClipSource
from fiftyone_hs2s.training.data.copy_paste import CopyPaste
from fiftyone_hs2s.training.data.pictures import PictureClips, list_pictures
from fiftyone_hs2s.training.data.videos import VideoClips, VideoFolder, list_videos
from fiftyone_hs2s.training.validation import FolderSequence, ValidationSequence

Weighted = tuple[ClipSource, float]


def folder_sources(config: TrainingConfig, data: Path) -> list[Weighted]:
    """The configuration's videos and pictures below a folder.

    Raises:
        HS2SError: if there are none
    """
    sequences = _videos(data, config, config.videos)
    pictures = [list_pictures(root) for root in _folders(data, config.pictures, "Masks")]
    return _mix(config, sequences, pictures, _videos(data, config, config.rendered))


def dataset_sources(config: TrainingConfig, samples: Any, field: str) -> list[Weighted]:
    """The clips of a FiftyOne dataset or view: of videos and ordered groups of images, or of images that are moved.

    Raises:
        HS2SError: if it has no usable clip
    """
    from fiftyone_hs2s.training.data.from_fiftyone import read_pictures, read_videos

    if samples.media_type == "image":
        return _mix(config, [], [read_pictures(samples, field)])
    return _mix(config, read_videos(samples, field), [])


def dataset_validation(samples: Any, field: str) -> list[ValidationSequence]:
    """The sequences of a FiftyOne dataset or view of videos, clips of videos, or ordered groups of images.

    Raises:
        HS2SError: if it holds something else, or nothing that can be read with masks in the field
    """
    from fiftyone_hs2s.dataset.train.finetune import check_validation
    from fiftyone_hs2s.training.data.from_fiftyone import read_videos

    check_validation(samples)
    return list(read_videos(samples, field))


def folder_validation(config: TrainingConfig, data: Path) -> list[ValidationSequence]:
    """The configuration's sequences for validation, as ``set/sequence`` below a folder."""
    return [FolderSequence(data / Path(name).parent, Path(name).name) for name in config.validation]


def _videos(data: Path, config: TrainingConfig, patterns: tuple[str, ...]) -> list[VideoFolder]:
    roots = _folders(data, patterns, "Annotations", "sequences.json")
    return [video for root in roots for video in list_videos(root, config.exclude)]


def _mix(config: TrainingConfig, sequences: Sequence, pictures: list[list], rendered: Sequence = ()) -> list[Weighted]:
    sets = [pairs for pairs in pictures if pairs]
    several: dict[str, Any] = {"objects": config.objects, "near": config.near, "min_area": config.min_area}
    course: dict[str, Any] = {
        "longest": config.max_step,
        "reverse": config.reverse,
        "every_object": config.every_object,
    }
    moved = PictureClips(sets, distractors=config.distractors, **several) if sets else None
    videos = VideoClips(sequences, moved, **several, **course, **config.affine) if sequences else None
    shares = (config.video_share, 1 - config.video_share) if videos and moved else (1.0, 1.0)
    parts = [(source, share) for source, share in zip((videos, moved), shares, strict=True) if source]
    mixed: list[Weighted] = list(parts)
    if config.copy_paste:
        mixed = [(CopyPaste(host, parts, config.copy_paste, config.twins, **several), weight) for host, weight in parts]
    if rendered:  # as they are: they have several objects, look-alikes and occlusion already
        rest = 1 - config.rendered_share if mixed else 0.0
        clips = VideoClips(rendered, **several, **course, **config.affine)
        mixed = [*((source, weight * rest) for source, weight in mixed), (clips, 1 - rest)]
    if not mixed:
        raise HS2SError("There is no usable clip: it takes a video with two annotated frames, or a picture with masks")
    return mixed


def _folders(data: Path, patterns: tuple[str, ...], *content: str) -> list[Path]:
    """The folders that hold one of the contents: patterns may also match others."""
    found = [path for pattern in patterns for path in sorted(data.glob(pattern))]
    folders = [path for path in found if any((path / name).exists() for name in content)]
    if patterns and not folders:
        raise HS2SError(f"No folder {' or '.join(patterns)} with {' or '.join(content)} below {data}; check --data")
    return folders
