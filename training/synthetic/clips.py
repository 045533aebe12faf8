"""A clip from its seed, and folders of clips in DAVIS layout that can be resumed."""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fiftyone_hs2s.choices import check_choice
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.files import write_text
from fiftyone_hs2s.masks import write_label_map
from fiftyone_hs2s.training.data.clip import read_image
from fiftyone_hs2s.training.synthetic.camera import Camera, shaken
from fiftyone_hs2s.training.synthetic.models3d import SPLITS, ground_pictures, list_models
from fiftyone_hs2s.training.synthetic.picture_sets import PictureSets
from fiftyone_hs2s.training.synthetic.render import Renderer
from fiftyone_hs2s.training.synthetic.scenes import FIGURE_SCENES, SCENES, passers_by
from fiftyone_hs2s.training.synthetic.stage import Actor, Stage
from fiftyone_hs2s.training.synthetic.world import RATE, World

SMALLEST = 0.002  # of the picture: what an object must show on the first frame to get a label
LARGEST = 0.6  # of the picture, that anything may cover at any time
GLIMPSES = 9  # of a clip, before it is drawn
ATTEMPTS = 60
SETTINGS = "synthetic.json"
KINDS = ("JPEGImages", "Annotations")  # in the order in which they are moved to their place

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """What clips are made of; the same settings give the same clips.

    Attributes:
        seed: of all chance
        split: "train" or "held-out": which objects are shown
        frames: of a clip
        size: (height, width)
        samples: sub-frames averaged to a frame
        scenes: kinds, which clips take in turn; all of them by default
        labels: how many objects get a label, least and most
        growth: how many times as large as on the first frame the object that the clip is about must become
        look_alikes: whether two of the labeled objects must look alike
        compound: share of the objects that are made of several, so that turning shows what was not seen
            before
        objects3d: folder of textured objects; PyBullet's procedural ones alone without it
        pictures: folders of photographs, with masks for figures to be cut out
    """

    seed: int = 0
    split: str = "train"
    frames: int = 24
    size: tuple[int, int] = (256, 448)
    samples: int = 2
    scenes: tuple[str, ...] = tuple(SCENES)
    labels: tuple[int, int] = (2, 5)
    growth: float = 0.0
    look_alikes: bool = False
    compound: float = 0.25
    objects3d: Path | None = None
    pictures: tuple[Path, ...] = ()


@dataclass
class RenderedClip:
    """A clip: frames uint8 RGB (H, W, 3), label maps uint8 (H, W), and what is to be seen, by label."""

    frames: list[np.ndarray]
    label_maps: list[np.ndarray]
    quality: int
    story: dict[str, Any]


class ClipMaker:
    """Makes clips by their number.

    Raises:
        HS2SError: if there are no objects or pictures where the settings say, or a setting is out of range
    """

    def __init__(self, settings: Settings) -> None:
        _check(settings)
        self.settings = settings
        self.models = list_models(settings.objects3d, settings.split)
        self.pictures = PictureSets(settings.pictures)
        self.grounds = ground_pictures(settings.objects3d)
        self.scenes = settings.scenes
        if not self.pictures.has_figures and (without := [s for s in self.scenes if s in FIGURE_SCENES]):
            if self.scenes != Settings.scenes:
                raise HS2SError(
                    f"The scene {without[0]} takes --pictures with Images and Masks to cut figures out of"
                )
            self.scenes = tuple(scene for scene in self.scenes if scene not in without)

    def name(self, number: int) -> str:
        """The name of a clip's folder: its scene and its number."""
        return f"{self.scenes[number % len(self.scenes)]}-{number:05d}"

    def make(self, number: int) -> RenderedClip:
        """Makes a clip; draws again until enough objects are to be seen and all that is drawn can be read.

        Raises:
            HS2SError: if that does not happen
        """
        for attempt in range(ATTEMPTS):
            try:
                if clip := self._attempt(number, attempt):
                    return clip
            except HS2SError as error:
                logger.warning("%s, drawn again: %s", self.name(number), error)
        raise HS2SError(
            f"No clip {self.name(number)} shows what is asked for; ask for fewer labels or less growth"
        )

    def _attempt(self, number: int, attempt: int) -> RenderedClip | None:
        scene = self.scenes[number % len(self.scenes)]
        seed = [self.settings.seed, SPLITS.index(self.settings.split), number, attempt]
        with self._stage(np.random.default_rng(seed)) as stage:
            renderer = self._renderer(stage, SCENES[scene](stage))
            labels = self._labels(stage, renderer)
            return self._rendered(stage, renderer, labels, scene) if labels else None

    @contextmanager
    def _stage(self, rng: np.random.Generator) -> Iterator[Stage]:
        count = 3 if self.pictures else 0
        photographs = [self.pictures.photograph(rng) for _ in range(count)]
        with World() as world, tempfile.TemporaryDirectory(prefix="hs2s-synthetic-") as folder:
            length, compound = self.settings.frames, self.settings.compound
            yield Stage(rng, world, self.models, self.pictures, photographs, length, Path(folder), compound)

    def _renderer(self, stage: Stage, camera: Camera) -> Renderer:
        rng = stage.rng
        passers_by(stage)
        degrees = float(np.exp(rng.uniform(np.log(0.05), np.log(1.5))))
        camera = shaken(rng, camera, degrees, RATE)
        ground = read_image(self.grounds[rng.integers(len(self.grounds))]) if self.grounds else None
        return Renderer(stage, camera, self.settings.size, self.settings.samples, ground)

    def _labels(self, stage: Stage, renderer: Renderer) -> list[int] | None:
        """The actors that get the labels 1, 2, ...; None if the clip does not show what it should."""
        steps = np.linspace(0, stage.steps - 1, GLIMPSES).astype(int)
        areas = np.stack(
            [np.bincount(renderer.glimpse(s).ravel(), minlength=len(stage.actors) + 1) for s in steps]
        )
        areas = areas / areas[0].sum()
        if areas[:, 1:].max() > LARGEST:  # the camera ran into something
            return None
        seen = (areas[0] >= SMALLEST) & ((areas > SMALLEST / 2).sum(0) > GLIMPSES / 2)
        can = [n for n, actor in enumerate(stage.actors, 1) if actor.labeled and seen[n]]
        if self.settings.growth:
            star = next((n for n in can if stage.actors[n - 1] is stage.star), 0)
            grown = star and areas[:, star].max() / areas[0, star] >= self.settings.growth
            can = [star] if grown and (areas[:, star] > SMALLEST).all() else []
        least, most = self.settings.labels
        chosen = _chosen(stage, can, int(stage.rng.integers(least, most + 1)))
        looks = [stage.actors[n - 1].look for n in chosen]
        if len(chosen) < least or (self.settings.look_alikes and len(set(looks)) == len(looks)):
            return None
        return chosen

    def _rendered(self, stage: Stage, renderer: Renderer, labels: list[int], scene: str) -> RenderedClip:
        table = np.zeros(len(stage.actors) + 1, np.uint8)
        table[labels] = np.arange(1, len(labels) + 1)
        frames, actors = zip(*(renderer.frame(number) for number in range(self.settings.frames)), strict=True)
        story = {
            "scene": scene,
            "objects": {int(table[n]): _entry(stage.actors[n - 1]) for n in labels},
            "others": [_entry(actor) for n, actor in enumerate(stage.actors, 1) if n not in labels],
        }
        return RenderedClip(list(frames), [table[a] for a in actors], renderer.look.quality, story)


def _chosen(stage: Stage, can: list[int], count: int) -> list[int]:
    """Some of the actors: whom the clip is about first, then more often look-alikes than others."""
    looks = [stage.actors[n - 1].look for n in can]
    chances = [stage.rng.random() + 0.6 * (looks.count(look) > 1) for look in looks]
    chances = [
        chance + 9 * (stage.actors[n - 1] is stage.star) for n, chance in zip(can, chances, strict=True)
    ]
    return [can[i] for i in np.argsort(chances)[::-1][:count]]


def _entry(actor: Actor) -> dict[str, Any]:
    return {"names": list(actor.names), "look": actor.look}


def _check(settings: Settings) -> None:
    if settings.frames < 2 or settings.samples < 1 or min(settings.size) < 32:
        raise HS2SError(
            "Clips take at least 2 frames, 1 sample and 32x32 pixels; raise --frames, --samples or --size"
        )
    for scene in settings.scenes:
        check_choice("scene", scene, SCENES)
    for folder in filter(None, (settings.objects3d, *settings.pictures)):
        if not folder.is_dir():
            raise HS2SError(f"There is no folder {folder}; check --objects3d and --pictures")


def render_missing(settings: Settings, out: Path, numbers: range) -> Iterator[str]:
    """Renders those of the clips that a folder lacks, and yields the name of each; one that fails is named in
    the log.

    A clip appears at once or not at all: it is written beside its place, and its annotations are moved there
    last.

    Raises:
        HS2SError: if the settings cannot be met at all; see :class:`ClipMaker`
    """
    maker = ClipMaker(settings)
    for number in numbers:
        if not _is_there(out, name := maker.name(number)):
            try:
                _write(out, name, maker.make(number))
            except HS2SError as error:
                logger.warning("%s", error)
            else:
                yield name


def render_share(settings: Settings, out: Path, numbers: range, _report: object = None) -> None:
    """The work of a process: :func:`render_missing`, with the name of each clip in the log."""
    for name in render_missing(settings, out, numbers):
        logger.info(name)


def count_missing(settings: Settings, out: Path, clips: int) -> int:
    """How many of the first clips a folder lacks."""
    maker = ClipMaker(settings)
    return sum(not _is_there(out, maker.name(number)) for number in range(clips))


def _is_there(out: Path, name: str) -> bool:
    return (out / "Annotations" / name).is_dir()


def claim(settings: Settings, out: Path) -> None:
    """Notes the settings in the folder.

    Raises:
        HS2SError: if the folder has clips of other settings
    """
    mine = json.loads(json.dumps(asdict(replace(settings, objects3d=None, pictures=())), default=str))
    mine["objects3d"] = settings.objects3d.name if settings.objects3d else None
    mine["pictures"] = [folder.name for folder in settings.pictures]
    note = out / SETTINGS
    if note.is_file():
        theirs = json.loads(note.read_text())
        if other := [key for key in mine if mine[key] != theirs.get(key)]:
            raise HS2SError(
                f"{out} has clips of another {', '.join(other)}; give another --out or the same settings"
            )
    out.mkdir(parents=True, exist_ok=True)
    write_text(note, json.dumps(mine, indent=1) + "\n")


def _write(out: Path, name: str, clip: RenderedClip) -> None:
    unfinished = out / f".{name}"
    for folder in (unfinished, out / "JPEGImages" / name):  # of a run that was killed
        shutil.rmtree(folder, ignore_errors=True)
    for kind in KINDS:
        (out / kind).mkdir(parents=True, exist_ok=True)
        (unfinished / kind).mkdir(parents=True)
    (out / "Stories").mkdir(exist_ok=True)
    try:
        for number, (frame, label_map) in enumerate(zip(clip.frames, clip.label_maps, strict=True)):
            path = str(unfinished / "JPEGImages" / f"{number:05d}.jpg")
            if not cv2.imwrite(path, frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, clip.quality]):
                raise HS2SError(f"The frame {path} cannot be written; is the disk full?")
            write_label_map(unfinished / "Annotations" / f"{number:05d}.png", label_map)
        write_text(out / "Stories" / f"{name}.json", json.dumps(clip.story) + "\n")
        for kind in KINDS:
            os.rename(unfinished / kind, out / kind / name)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
