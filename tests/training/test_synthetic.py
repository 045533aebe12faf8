"""Rendered clips: the same seed the same files, masks where objects are, resuming, and what is held out."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("pybullet", reason="needs PyBullet: the extra 'synthetic' (Linux, Python 3.10 or 3.11)")

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.masks import is_label_map, object_ids, read_label_map, write_label_map
from fiftyone_hs2s.training.data.annotated_video import open_video
from fiftyone_hs2s.training.data.video_folders import list_videos
from fiftyone_hs2s.training.synthetic import clips
from fiftyone_hs2s.training.synthetic.__main__ import main
from fiftyone_hs2s.training.synthetic.camera import Camera
from fiftyone_hs2s.training.synthetic.clips import ClipMaker, Settings, claim, render_missing
from fiftyone_hs2s.training.synthetic.models3d import HELD_OUT, is_held_out, list_models
from fiftyone_hs2s.training.synthetic.picture_sets import PictureSets
from fiftyone_hs2s.training.synthetic.render import Renderer
from fiftyone_hs2s.training.synthetic.scenes import FIGURE_SCENES, SCENES
from fiftyone_hs2s.training.synthetic.stage import Stage
from fiftyone_hs2s.training.synthetic.world import STEPS_PER_FRAME, World, write_texture

SMALL = Settings(seed=3, compound=0.5, frames=3, size=(64, 112), samples=2, scenes=("fall", "near"))


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def names(story: dict) -> list[str]:
    return [name for entry in (*story["objects"].values(), *story["others"]) for name in entry["names"]]


def render(settings: Settings, out: Path, count: int = 2) -> list[str]:
    return list(render_missing(settings, out, range(count)))


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two small clips of procedural objects."""
    out = tmp_path_factory.mktemp("rendered")
    assert render(SMALL, out) == ["fall-00000", "near-00001"]
    return out


@pytest.fixture
def picture_set(tmp_path: Path) -> Path:
    """A red disk on gray, with its mask; and a picture without a mask."""
    folder = tmp_path / "disks"
    for kind in ("Images", "Masks"):
        (folder / kind).mkdir(parents=True)
    image, mask = np.full((120, 160, 3), 90, np.uint8), np.zeros((120, 160), np.uint8)
    cv2.circle(image, (80, 60), 45, (0, 0, 255), -1)
    cv2.circle(mask, (80, 60), 45, 1, -1)
    cv2.imwrite(str(folder / "Images" / "disk.png"), image)
    cv2.imwrite(str(folder / "Images" / "plain.png"), np.full((90, 90, 3), 60, np.uint8))
    write_label_map(folder / "Masks" / "disk.png", mask)
    return folder


@pytest.fixture
def empty_stage(tmp_path: Path) -> Iterator[Stage]:
    """A stage without actors, two frames long."""
    (tmp_path / "textures").mkdir()
    with World() as world:
        models = list_models(None, "train")
        yield Stage(
            np.random.default_rng(0), world, models, PictureSets([]), [], 2, tmp_path / "textures", 0.0
        )


def test_the_same_seed_gives_the_same_files(rendered: Path, tmp_path: Path) -> None:
    list(render_missing(SMALL, tmp_path / "again", range(1, -1, -1)))  # also when made in another order
    assert files(tmp_path / "again") == files(rendered)
    other = dataclasses.replace(SMALL, seed=4)
    render(other, tmp_path / "other", 1)
    assert files(tmp_path / "other" / "JPEGImages") != files(rendered / "JPEGImages" / "fall-00000")


def test_layout_is_what_training_reads(rendered: Path) -> None:
    videos = list_videos(rendered)
    assert [video.name for video in videos] == ["fall-00000", "near-00001"]
    for video in videos:
        assert video.indices == list(range(SMALL.frames))
        assert {frame.shape for frame in video.open()} == {(64, 112, 3)}
        label_maps = open_video(video).label_maps(video.indices)
        ids = list(json.loads((rendered / "Stories" / f"{video.name}.json").read_text())["objects"])
        assert object_ids(label_maps[0]) == [int(i) for i in ids]
        assert 2 <= len(ids) <= 5
        assert all(set(object_ids(label_map)) <= set(object_ids(label_maps[0])) for label_map in label_maps)
        assert is_label_map(rendered / "Annotations" / video.name / "00000.png")


def _box_pixels(half: np.ndarray, at: np.ndarray, camera: Camera, size: tuple[int, int]) -> np.ndarray:
    """Where a box is seen, by OpenCV's own projection."""
    signs = np.stack(np.meshgrid([-1, 1], [-1, 1], [-1, 1]), -1).reshape(-1, 3)
    turn = np.diag([1, -1, -1]) @ camera.view(0)[:3, :3]  # OpenCV's cameras look along +z, and y is down
    focal = size[0] / 2 / np.tan(np.deg2rad(camera.fov) / 2)
    intrinsics = np.array([[focal, 0, (size[1] - 1) / 2], [0, focal, (size[0] - 1) / 2], [0, 0, 1]])
    points = (at + signs * half)[:, None].astype(float)
    pixels, _ = cv2.projectPoints(points, cv2.Rodrigues(turn)[0], -turn @ camera.eye[0], intrinsics, None)
    hull = cv2.convexHull(np.round(pixels[:, 0] * 16).astype(np.int32))
    return cv2.fillConvexPoly(np.zeros(size, np.uint8), hull, 1, shift=4).astype(bool)


def test_masks_are_where_the_objects_are_seen(empty_stage: Stage) -> None:
    """Two boxes at known places, the nearer one hiding a part of the other, red before blue."""
    stage, size, half = empty_stage, (128, 192), (0.4, 0.2, 0.4)
    for place, color in (((-0.2, 0.0), (230, 10, 10)), ((0.2, 1.5), (10, 10, 230))):
        stage.box(half, place)
        path = write_texture(stage.folder / f"{color[0]}.png", np.full((8, 8, 3), color, np.uint8))
        stage.world.paint(stage.actors[-1].body, path)
    stage.run()
    steps = 2 * STEPS_PER_FRAME
    eye, aim = np.tile([0.5, -3.0, 1.4], (steps, 1)), np.tile([0.0, 0.5, 0.4], (steps, 1))
    camera = Camera(eye, aim, np.full(steps, 0.1), 50)
    frame, actors = Renderer(stage, camera, size, 2, None).frame(0)
    near = _box_pixels(np.array(half), np.array([-0.2, 0, 0.4]), camera, size)
    far = _box_pixels(np.array(half), np.array([0.2, 1.5, 0.4]), camera, size) & ~near
    for number, expected in ((1, near), (2, far)):
        mask = actors == number
        assert (mask & expected).sum() / (mask | expected).sum() > 0.94
    red, blue = (frame[actors == number].astype(float).mean(0) for number in (1, 2))
    assert red[0] > 2 * red[2]
    assert blue[2] > 2 * blue[0]


def test_a_box_throws_its_shadow_away_from_the_lamp(empty_stage: Stage) -> None:
    stage, steps = empty_stage, 2 * STEPS_PER_FRAME
    stage.box((0.2, 0.2, 0.5), (0.0, 0.0))
    stage.run()
    # From above: +x is right.
    eye, aim = (
        np.tile([0.0, -0.01, 6.0], (steps, 1)),
        np.tile([0.0, 0.0, 0.0], (steps, 1)),
    )
    renderer = Renderer(stage, Camera(eye, aim, np.zeros(steps), 40), (96, 96), 1, None)
    light = renderer._light(0)
    shade = np.argwhere(light < 0.5 * (light.min() + light.max()))
    place = (shade.mean(0) - 47.5)[::-1] * [1, -1]  # of the shadow's middle: x, y
    toward = renderer.lamp.direction[:2]
    assert light.max() == pytest.approx(1)
    assert place @ -toward / np.linalg.norm(place) / np.linalg.norm(toward) > 0.9


@pytest.mark.parametrize("scene", sorted(set(SCENES) - {*FIGURE_SCENES, "fall", "near"}))
def test_every_scene_makes_clips(scene: str) -> None:
    clip = ClipMaker(dataclasses.replace(SMALL, scenes=(scene,), frames=2, samples=1)).make(0)
    assert len(clip.frames) == 2
    assert len(object_ids(clip.label_maps[0])) >= 2


@pytest.mark.parametrize("scene", FIGURE_SCENES)
def test_figures_are_cut_out_of_pictures(scene: str, picture_set: Path) -> None:
    settings = dataclasses.replace(SMALL, scenes=(scene,), labels=(3, 5), pictures=(picture_set,))
    clip = ClipMaker(settings).make(0)
    figures = [
        int(label) for label, entry in clip.story["objects"].items() if entry["names"] == ["disks/disk"]
    ]
    assert figures
    seen = clip.frames[0][np.isin(clip.label_maps[0], figures)].astype(float)
    assert np.mean(seen[:, 0] > 1.5 * seen[:, 2]) > 0.8  # the disk is red


def test_growth_and_look_alikes_are_kept_to() -> None:
    settings = dataclasses.replace(SMALL, scenes=("near",), labels=(1, 1), growth=6.0, frames=6)
    areas = [(label_map == 1).sum() for label_map in ClipMaker(settings).make(0).label_maps]
    assert areas[-1] > 4 * areas[0] > 0
    clip = ClipMaker(dataclasses.replace(SMALL, scenes=("crowd",), labels=(3, 3), look_alikes=True)).make(0)
    looks = [entry["look"] for entry in clip.story["objects"].values()]
    assert len(looks) == 3 > len(set(looks))


def test_a_stopped_run_goes_on_where_it_stopped(
    rendered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(path: Path, label_map: np.ndarray) -> None:
        if path.name == "00001.png":
            raise KeyboardInterrupt
        write_label_map(path, label_map)

    monkeypatch.setattr(clips, "write_label_map", stop)
    with pytest.raises(KeyboardInterrupt):
        render(SMALL, tmp_path)
    assert not files(tmp_path)
    monkeypatch.undo()
    render(SMALL, tmp_path, 1)
    (tmp_path / "JPEGImages" / "near-00001").mkdir()  # killed between the two moves
    before = (tmp_path / "Annotations" / "fall-00000").stat().st_mtime_ns
    assert render(SMALL, tmp_path) == ["near-00001"]
    assert (tmp_path / "Annotations" / "fall-00000").stat().st_mtime_ns == before
    assert files(tmp_path) == files(rendered)


def test_clips_of_other_settings_are_not_mixed(tmp_path: Path) -> None:
    claim(SMALL, tmp_path)
    claim(SMALL, tmp_path)
    with pytest.raises(HS2SError, match="another seed"):
        claim(dataclasses.replace(SMALL, seed=4), tmp_path)


def test_training_never_sees_what_is_held_out(rendered: Path) -> None:
    train, held_out = ({model.name for model in list_models(None, split)} for split in ("train", "held-out"))
    assert not train & held_out
    assert len(train | held_out) == 1000
    stories = [json.loads(path.read_text()) for path in (rendered / "Stories").iterdir()]
    shown = [name for story in stories for name in names(story)]
    assert shown
    assert not any(is_held_out(name) for name in shown)
    clip = ClipMaker(dataclasses.replace(SMALL, split="held-out", frames=2)).make(0)
    assert all(is_held_out(name) for name in names(clip.story))


def test_the_folder_of_objects(shared_data: Path, tmp_path: Path) -> None:
    """Of its 152 objects about 25 are held out, some of every kind; clips show them with their textures."""
    folder = shared_data / "data" / "objects3d"
    if not (folder / "manifest.json").is_file():
        pytest.skip(f"needs the textured objects in {folder}")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert set(manifest) >= HELD_OUT
    assert 23 <= len(HELD_OUT) <= 28
    assert {manifest[name]["texture"] for name in HELD_OUT} == {
        entry["texture"] for entry in manifest.values()
    }
    listed = {model.name for model in list_models(folder, "train")}
    assert listed & set(manifest) == set(manifest) - HELD_OUT
    render(dataclasses.replace(SMALL, objects3d=folder), tmp_path, 1)
    story = json.loads((tmp_path / "Stories" / "fall-00000.json").read_text())
    assert set(names(story)) & set(manifest)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--objects3d", "nowhere"], "There is no folder nowhere"),
        (["--scenes", "fall,dance"], "scene='dance' is unknown: choose one of"),
        (["--scenes", "walk,fall"], "The scene walk takes --pictures"),
        (["--workers", "0"], "at least one clip and one worker"),
        (["--frames", "1"], "at least 2 frames"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_written(
    arguments: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--out", str(tmp_path / "out"), "--clips", "1", *arguments]) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_command_with_two_workers(tmp_path: Path) -> None:
    arguments = "--clips 2 --seed 3 --frames 3 --size 64 112 --samples 2 --scenes fall,near --workers 2"
    command = [sys.executable, "-m", "fiftyone_hs2s.training.synthetic", "--out", str(tmp_path)]
    subprocess.run([*command, *arguments.split()], check=True)  # as a user does: workers import differently
    assert read_label_map(tmp_path / "Annotations" / "near-00001" / "00002.png").any()
    assert {"/".join(p.parts[-2:]) for p in tmp_path.glob("Annotations/*")} == {
        f"Annotations/{name}" for name in ("fall-00000", "near-00001")
    }


def test_an_unreadable_picture_is_named_and_another_one_drawn(
    picture_set: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (picture_set / "Images" / "plain.png").write_bytes(b"no picture")
    settings = dataclasses.replace(SMALL, scenes=("fall",), pictures=(picture_set,))
    assert render(settings, tmp_path / "out", 4) == [f"fall-{number:05d}" for number in range(4)]
    assert "plain.png" in caplog.text
