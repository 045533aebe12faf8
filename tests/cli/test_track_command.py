from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from track_kit import COUNT, SIZE, needs_ffmpeg, refused

from fiftyone_hs2s.cli.main import main
from fiftyone_hs2s.masks import davis_palette, list_label_maps, read_label_map, write_label_map


def test_writes_a_label_map_for_every_frame_under_its_name(hs2s):
    status, printed, _ = hs2s()
    assert status == 0
    assert sorted(os.listdir("out")) == sorted(f"IMG_{i}.png" for i in range(8, 14))
    for file in list_label_maps("out").values():
        with Image.open(file) as image:
            assert image.mode == "P"
            assert image.size == SIZE[::-1]
            assert image.getpalette()[:30] == davis_palette()[:10].ravel().tolist()
    np.testing.assert_array_equal(read_label_map("out/IMG_8.png"), read_label_map("masks/IMG_8.png"))
    assert f"{COUNT} frames" in printed
    assert "seconds per frame" in printed
    assert "peak memory" in printed
    assert "MB" in printed


def test_folder_of_masks_belongs_to_the_frames_of_the_same_names(hs2s):
    status, _, _ = hs2s("--json", "report.json", mask="masks")
    assert status == 0
    report = json.loads(Path("report.json").read_text())
    assert list(report["confidence"]) == [f"IMG_{i}" for i in range(8, 14)]
    assert list(report["confidence"]["IMG_10"]) == ["1"]
    assert list(report["confidence"]["IMG_11"]) == ["1", "2"]
    assert report["confidence"]["IMG_11"]["2"] == 1
    assert report["confidence"]["IMG_11"]["1"] < 1
    assert report["network_size"] == [64, 96]
    assert report["device"] == "cpu"
    assert report["incomplete"] is None
    assert report["seconds_per_frame"] > 0
    assert report["peak_memory_bytes"] > 1e8
    np.testing.assert_array_equal(
        read_label_map("out/IMG_11.png") == 2, read_label_map("masks/IMG_11.png") == 2
    )


def test_all_prompts_anchor_again(hs2s):
    assert hs2s("--prompt-frames", "all", mask="masks")[0] == 0
    np.testing.assert_array_equal(read_label_map("out/IMG_11.png"), read_label_map("masks/IMG_11.png"))


def test_directions(hs2s):
    hs2s("--direction", "backward", "--json", "report.json", mask="masks", out="backward")
    assert list(list_label_maps("backward")) == ["IMG_8", "IMG_9", "IMG_10", "IMG_11"]
    assert list(json.loads(Path("report.json").read_text())["confidence"]) == [
        "IMG_8",
        "IMG_9",
        "IMG_10",
        "IMG_11",
    ]
    os.remove("masks/IMG_8.png")
    hs2s(mask="masks", out="forward")
    assert list(list_label_maps("forward")) == ["IMG_11", "IMG_12", "IMG_13"]
    hs2s("--direction", "both", mask="masks", out="both")
    assert list(list_label_maps("both")) == [f"IMG_{i}" for i in range(8, 14)]


@needs_ffmpeg
def test_video_file_with_overlay(hs2s):
    encode = ["ffmpeg", "-v", "error", "-start_number", "8", "-i", "frames/IMG_%d.jpg"]
    subprocess.run(
        [*encode, "-vf", "crop=106:60", "-pix_fmt", "yuv420p", "-r", "10", "video.mp4"], check=True
    )
    write_label_map("first.png", read_label_map("masks/IMG_8.png")[:, :106])
    status, printed, _ = hs2s("--overlay", "overlay.mp4", video="video.mp4", mask="first.png")
    assert status == 0
    assert "overlay.mp4" in printed
    names = list(list_label_maps("out"))
    assert names[:2] == ["00000", "00001"]
    fields = "stream=codec_name,pix_fmt,width,height,nb_read_frames"
    probe = [
        "ffprobe",
        "-v",
        "error",
        "-count_frames",
        "-show_entries",
        fields,
        "-of",
        "csv=p=0",
        "overlay.mp4",
    ]
    assert subprocess.check_output(probe, text=True).strip() == f"h264,106,60,yuv420p,{len(names)}"


def test_damaged_frame_keeps_what_was_tracked_and_says_so(hs2s):
    Path("frames/IMG_11.jpg").write_bytes(b"broken")
    status, printed, error = hs2s("--json", "report.json")
    assert status == 2
    assert "3 frames" in printed
    assert list(list_label_maps("out")) == ["IMG_8", "IMG_9", "IMG_10"]
    assert "IMG_11.jpg" in error
    assert "kept in out" in error
    assert "IMG_11.jpg" in json.loads(Path("report.json").read_text())["incomplete"]


@pytest.fixture
def cut_video(hs2s):
    """A video of 40 frames whose file ends early."""
    source = ["-f", "lavfi", "-i", "testsrc=size=107x60:rate=10:duration=4", "-pix_fmt", "yuv444p"]
    subprocess.run(
        ["ffmpeg", "-v", "error", *source, "-g", "5", "-movflags", "+faststart", "cut.mp4"], check=True
    )
    data = Path("cut.mp4").read_bytes()
    Path("cut.mp4").write_bytes(data[: len(data) // 2])
    return "cut.mp4"


@needs_ffmpeg
def test_video_file_that_breaks_off_beyond_what_is_wanted(hs2s, cut_video):
    assert hs2s("--direction", "backward", video=cut_video)[0] == 0
    assert os.listdir("out") == ["00000.png"]


@needs_ffmpeg
@pytest.mark.parametrize("direction", ["forward", "both"])
def test_video_file_that_breaks_off_keeps_what_was_tracked(hs2s, cut_video, direction):
    status, printed, error = hs2s("--direction", direction, video=cut_video)
    assert status == 2
    count = len(os.listdir("out"))
    assert 5 < count < 35
    assert f"{count} frames" in printed
    assert f"ends early, after {count} of 40 frames" in error


@pytest.mark.parametrize("content", [b"", b"no video", b"\0" * 4096])
def test_video_that_cannot_be_opened(hs2s, content):
    Path("bad.mp4").write_bytes(content)
    refused(hs2s(video="bad.mp4"), "bad.mp4")


def test_no_database_is_started_and_decoders_keep_quiet(clip):
    (clip / "cut.mp4").write_bytes(b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom\0\0\0\x08mdat")
    code = (
        "import sys; from fiftyone_hs2s.cli.main import main; status = main(sys.argv[1:]); "
        "assert 'fiftyone' not in sys.modules; sys.exit(status)"
    )
    command = [sys.executable, "-c", code, "track", "cut.mp4", "--mask", "masks/IMG_8.png", "--out", "out"]
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    result = subprocess.run(command, cwd=clip, env=environment, capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert "cut.mp4" in result.stderr


def test_a_data_set_is_tracked_sequence_by_sequence(hs2s, weights, capsys):
    """The official layout of DAVIS; one sequence has no frames, and does not stop the others."""
    for name in ("a", "b"):
        shutil.copytree("frames", f"davis/JPEGImages/480p/{name}")
        shutil.copytree("masks", f"davis/Annotations/480p/{name}")
    shutil.copytree("masks", "davis/Annotations/480p/lost")
    Path("davis/ImageSets/2017").mkdir(parents=True)
    Path("davis/ImageSets/2017/val.txt").write_text("b\n")
    common = ["davis", "--size", "64x96", "--precision", "float32", "--weights", str(weights)]
    assert main(["track", *common, "--split", "val", "--out", "val"]) == 0
    assert os.listdir("val") == ["b"]
    assert main(["track", *common, "--out", "all", "--json", "all.json"]) == 2
    printed = capsys.readouterr().err
    assert (
        "lost: There is no video or folder" in printed
        and "1 of 3 sequences were not tracked to their end: lost" in printed
    )
    assert sorted(os.listdir("all")) == ["a", "b"]
    assert len(list_label_maps("all/a")) == COUNT
    assert sorted(json.loads(Path("all.json").read_text())["sequences"]) == ["a", "b"]
    status, _, _ = hs2s()
    assert status == 0
    np.testing.assert_array_equal(read_label_map("out/IMG_8.png"), read_label_map("all/a/IMG_8.png"))


@pytest.mark.parametrize("how", [["--batch-videos", "2"], ["--workers", "2"]])
def test_sequences_of_a_data_set_at_once(hs2s, weights, capsys, how):
    for name in ("a", "b", "c"):
        shutil.copytree("frames", f"davis/JPEGImages/{name}")
        shutil.copytree("masks", f"davis/Annotations/{name}")
    shutil.copytree("masks", "davis/Annotations/lost")
    common = ["davis", "--size", "64x96", "--precision", "float32", "--weights", str(weights)]
    at_once = ["--runtime", "torch", *how, "--out", "all", "--json", "all.json"]
    assert main(["track", *common, *at_once]) == 2
    printed = capsys.readouterr()
    assert "lost: There is no video or folder" in printed.err
    assert "1 of 4 sequences were not tracked to their end: lost" in printed.err
    assert printed.out.count("masks in all/") == 3
    reports = json.loads(Path("all.json").read_text())["sequences"]
    assert list(reports) == ["a", "b", "c"]
    assert {report["model"] for report in reports.values()} == {"hs2s-lite"}
    assert hs2s("--runtime", "torch", mask="masks")[0] == 0
    for name in reports:
        for frame in list_label_maps("out"):
            ours, theirs = (read_label_map(f"{folder}/{frame}.png") for folder in (f"all/{name}", "out"))
            assert (ours == theirs).mean() > 0.99  # random weights: any pixel may be near the edge


def test_several_at_once_is_for_data_sets(hs2s):
    for option in ("--workers", "--batch-videos"):
        status, _, error = hs2s(option, "2")
        assert status == 2 and f"{option} is for a data set" in error


def test_scene_cuts_are_printed_and_stop_the_tracks(hs2s):
    other = np.full((*SIZE, 3), (20, 230, 240), np.uint8)
    for number in (12, 13):
        cv2.imwrite(f"frames/IMG_{number}.jpg", other)
    status, printed, _ = hs2s("--scene-cuts", "stop", "--json", "report.json")
    assert status == 0
    assert "scene cuts before the frames IMG_12" in printed
    assert json.loads(Path("report.json").read_text())["scene_cuts"] == ["IMG_12"]
    assert not read_label_map("out/IMG_12.png").any()
    assert list_label_maps("out").keys() >= {"IMG_12", "IMG_13"}
