"""The demo's run, with a network whose results one can predict."""

from __future__ import annotations

from pathlib import Path

import cv2
import fiftyone as fo
import numpy as np
import pytest
from fiftyone_kit import H, T, W, color_model, picture, truth, write_video

from fiftyone_hs2s.demo import demo_clip as clip
from fiftyone_hs2s.demo import run
from fiftyone_hs2s.demo.__main__ import main
from fiftyone_hs2s.demo.clip_files import make_clip
from fiftyone_hs2s.masks import list_label_maps, read_label_map, write_label_map
from fiftyone_hs2s.tracking import open_frames


@pytest.fixture(autouse=True)
def predictable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "load_model", lambda name: color_model())
    monkeypatch.setattr(clip, "LENGTH", 4)
    for name in fo.list_datasets("hs2s-*"):
        fo.delete_dataset(name)


@pytest.fixture
def own(tmp_path: Path) -> list[str]:
    """Arguments for a video and a mask of one's own."""
    video = write_video(tmp_path / "mine.mp4", [picture(number) for number in range(1, T + 1)])
    mask = tmp_path / "first.png"
    write_label_map(mask, sum((i + 1) * m.astype(np.uint8) for i, m in truth(1).items()))
    return ["--video", str(video), "--mask", str(mask), "--out", str(tmp_path / "out")]


def test_the_demo_clip_is_tracked_scored_and_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--out", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line.startswith(("dahlia", "saucer", "mean"))] == [
        "dahlia",
        "saucer",
        "mean",
    ]
    assert len(open_frames(tmp_path / "dahlia_overlay.mp4")) == 4
    assert cv2.imread(str(tmp_path / "dahlia_contact_sheet.png")).shape[1] == 4 * 480 + 3 * 4
    dataset = fo.load_dataset("hs2s-demo")
    assert dataset.persistent and len(dataset) == 1
    assert dataset.values("frames.ground_truth.detections.index") == [[[1, 2]] * 4]
    assert all(dataset.values("frames.hs2s.detections.label", unwind=True))
    assert dataset.list_evaluations() == ["hs2s_eval"] and dataset.has_sample_field("hs2s_events")


def test_the_app_opens_with_the_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    monkeypatch.setattr(run, "open_app", lambda dataset, workspace: opened.append((dataset, workspace)))
    assert main(["--out", str(tmp_path), "--app"]) == 0
    ((dataset, workspace),) = opened
    assert dataset.load_workspace("HS2S") == workspace


def test_a_second_run_makes_no_second_clip_and_no_second_sample(tmp_path: Path) -> None:
    main(["--out", str(tmp_path)])
    made = (tmp_path / "dahlia.mp4").stat().st_mtime_ns
    assert main(["--out", str(tmp_path)]) == 0
    assert (tmp_path / "dahlia.mp4").stat().st_mtime_ns == made
    assert len(fo.load_dataset("hs2s-demo")) == 1


def test_a_clip_cut_short_or_of_another_version_is_made_again(tmp_path: Path) -> None:
    _, masks = make_clip(tmp_path)
    (masks / ".version").write_text("old")
    (masks / "00099.png").write_bytes(b"")
    make_clip(tmp_path)
    assert [path.name for path in list_label_maps(masks).values()] == [f"{i:05}.png" for i in range(4)]


def test_the_video_shows_what_the_masks_say(tmp_path: Path) -> None:
    video, masks = make_clip(tmp_path)
    for (frame, label_map), shown, file in zip(
        clip.render_clip(4), open_frames(video), list_label_maps(masks).values(), strict=True
    ):
        assert np.abs(frame.astype(int) - shown).mean() < 8, "as drawn, but for the compression"
        assert np.array_equal(read_label_map(file), label_map)


def test_ones_own_video_has_no_scores(own: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(own) == 0
    printed = capsys.readouterr().out
    assert "J&F" not in printed
    assert f"{T} frames of {W}x{H}" in printed
    dataset = fo.load_dataset("hs2s-demo")
    assert set(dataset.values("frames.hs2s.detections.label", unwind=True)) == {"object 1", "object 2"}
    assert Path(own[-1], "mine_overlay.mp4").exists() and Path(own[-1], "mine_contact_sheet.png").exists()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda own: own[:2] + own[4:], "--mask"),
        (lambda own: ["--video", "nowhere.mp4", *own[2:]], "nowhere.mp4"),
        (lambda own: [*own[:3], str(Path(own[3]).parent), *own[4:]], "folder"),
        (lambda own: [*own, "--dataset", "hs2s-pictures"], "hs2s-pictures"),
    ],
)
def test_wrong_input_gets_a_sentence(
    change, named: str, own: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    fo.Dataset("hs2s-pictures").add_sample(fo.Sample("picture.png"))
    assert main(change(own)) == 2
    error = capsys.readouterr().err
    assert named in error and len(error.strip().splitlines()) == 1
