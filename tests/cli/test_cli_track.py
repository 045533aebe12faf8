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
import torch
from PIL import Image

from fiftyone_hs2s.cli.main import main
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.masks import davis_palette, list_label_maps, read_label_map, write_label_map
from fiftyone_hs2s.network import build_network, load_network, register_model, save_weights

SIZE = (60, 107)
COUNT = 6
needs_ffmpeg = pytest.mark.skipif(
    shutil.which("ffmpeg") is None, reason="the ffmpeg executable is not installed"
)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_weights(build_network("hs2s-lite"), path)
    return path


@pytest.fixture
def clip(tmp_path):
    """A folder of frames named like those of a camera, and the masks of two objects on its frames 0 and 3."""
    rng = np.random.default_rng(0)
    (tmp_path / "frames").mkdir()
    (tmp_path / "masks").mkdir()
    for index in range(COUNT):
        cv2.imwrite(
            str(tmp_path / "frames" / f"IMG_{index + 8}.jpg"), rng.integers(0, 255, (*SIZE, 3), np.uint8)
        )
    label_map = np.zeros(SIZE, np.uint8)
    label_map[10:30, 20:60] = 1
    write_label_map(tmp_path / "masks" / "IMG_8.png", label_map)
    label_map[35:50, 50:90] = 2
    write_label_map(tmp_path / "masks" / "IMG_11.png", label_map)
    return tmp_path


@pytest.fixture
def hs2s(clip, weights, capsys, monkeypatch):
    """Runs ``hs2s track`` in the clip's folder, on a small network size; gives (status, stdout, stderr)."""
    monkeypatch.chdir(clip)

    def call(*args, video="frames", mask="masks/IMG_8.png", out="out"):
        common = ["--weights", str(weights), "--size", "64x96", "--precision", "float32"]
        status = main(["track", str(video), "--mask", str(mask), "--out", str(out), *common, *args])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


def refused(result, *words, out="out"):
    """One sentence that has the words, status 2, and nothing written."""
    status, printed, error = result
    assert status == 2
    assert printed == ""
    assert [line for line in error.splitlines() if not line.startswith("Tracking with")] == [
        error.splitlines()[-1]
    ]
    assert error.splitlines()[-1].startswith("hs2s: ")
    for word in words:
        assert word in error
    assert not list(Path(out).glob("*")) if Path(out).is_dir() else True


def test_a_registered_model_by_name(clip, weights, monkeypatch, capsys):
    monkeypatch.setenv("HS2S_MODELS", str(clip / "models"))
    register_model("cells", weights)
    common = ["track", str(clip / "frames"), "--mask", str(clip / "masks/IMG_8.png"), "--size", "64x96"]
    common += ["--precision", "float32"]
    assert main([*common, "--model", "cells", "--out", str(clip / "a")]) == 0
    assert main([*common, "--weights", str(weights), "--out", str(clip / "b")]) == 0
    for name, file in list_label_maps(clip / "a").items():
        np.testing.assert_array_equal(read_label_map(file), read_label_map(clip / "b" / f"{name}.png"))
    assert main([*common, "--model", "cels", "--out", str(clip / "c")]) == 2
    assert "Unknown model 'cels'; did you mean 'cells'" in capsys.readouterr().err


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


def test_device_and_precision_are_told(hs2s, caplog):
    with caplog.at_level("INFO", "fiftyone_hs2s"):
        hs2s("--device", "cpu")
    assert "Tracking with hs2s-lite on cpu in float32" in caplog.messages


def test_reset_period(hs2s, monkeypatch):
    loaded, load = [], load_network
    monkeypatch.setattr(
        "fiftyone_hs2s.network.load_network", lambda *given: loaded.append(load(*given)) or loaded[-1]
    )
    for options in ([], ["--reset-period", "20"]):
        assert hs2s(*options, "--overwrite")[0] == 0
    assert [network.config.reset_period for network in loaded] == [0, 20]
    refused(hs2s("--reset-period", "-1", out="negative"), "reset_period", out="negative")


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


def test_all_prompts_anchor_anew(hs2s):
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
    assert f"breaks off after {count} of 40 frames" in error


@pytest.mark.parametrize("content", [b"", b"no video", b"\0" * 4096])
def test_video_that_cannot_be_opened(hs2s, content):
    Path("bad.mp4").write_bytes(content)
    refused(hs2s(video="bad.mp4"), "bad.mp4")


def test_missing_video_and_empty_folder(hs2s):
    refused(hs2s(video="none.mp4"), "none.mp4")
    os.mkdir("empty")
    refused(hs2s(video="empty"), "empty", "images")


def test_missing_and_damaged_masks(hs2s):
    refused(hs2s(mask="none.png"), "none.png")
    Path("bad.png").write_bytes(b"bad")
    refused(hs2s(mask="bad.png"), "bad.png")
    os.mkdir("empty")
    refused(hs2s(mask="empty"), "empty", "PNG")


def test_mask_of_another_size(hs2s):
    label_map = read_label_map("masks/IMG_8.png")
    write_label_map("square.png", label_map[:, :60])
    refused(hs2s(mask="square.png"), "square.png", "60x60", "60x107")
    write_label_map("double.png", label_map.repeat(2, 0).repeat(2, 1))
    assert hs2s(mask="double.png")[0] == 0
    np.testing.assert_array_equal(read_label_map("out/IMG_8.png"), label_map)


def test_mask_without_any_object(hs2s):
    write_label_map("empty.png", np.zeros(SIZE, np.uint8))
    refused(hs2s(mask="empty.png"), "empty.png", "no object")


def test_rgb_mask_is_refused_and_16_bit_mask_is_taken(hs2s):
    Image.fromarray(np.full((*SIZE, 3), (7, 99, 201), np.uint8)).save("rgb.png")
    refused(hs2s(mask="rgb.png"), "rgb.png", "RGB", "indexed PNG")
    write_label_map("deep.png", read_label_map("masks/IMG_8.png").astype(np.uint16) * 1000)
    assert hs2s(mask="deep.png")[0] == 0
    read = read_label_map("out/IMG_8.png")
    assert read.dtype == np.uint16
    assert set(np.unique(read)) == {0, 1000}


def test_mask_that_belongs_to_no_frame(hs2s):
    shutil.copy("masks/IMG_8.png", "masks/IMG_99.png")
    refused(hs2s(mask="masks"), "IMG_99.png", "IMG_8 to IMG_13")


def test_unknown_model_names_the_near_ones(hs2s):
    refused(hs2s("--model", "hs2s-light"), "hs2s-light", "hs2s-lite")


def test_damaged_and_foreign_weights(hs2s):
    Path("bad.safetensors").write_bytes(b"12345678garbage")
    refused(hs2s("--weights", "bad.safetensors"), "bad.safetensors")
    torch.save({"model": {"conv.weight": torch.zeros(3)}}, "foreign.pth")
    refused(hs2s("--weights", "foreign.pth"), "conv.weight")
    refused(hs2s("--weights", "none.safetensors"), "none.safetensors")


def test_weights_that_give_values_that_are_not_finite(hs2s, weights):
    network = build_network("hs2s-lite")
    with torch.no_grad():
        for parameter in network.decoder.parameters():
            parameter.mul_(1e30)
    save_weights(network, "huge.safetensors")
    status, _, error = hs2s("--weights", "huge.safetensors")
    assert status == 2
    assert "not finite" in error


def test_folder_that_cannot_be_written(hs2s):
    Path("file").touch()
    refused(hs2s(out="file"), "file", "cannot be written", out="file")
    refused(hs2s(out="file/below"), "file", "cannot be written")
    refused(hs2s("--json", "nowhere/report.json"), "nowhere/report.json")


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may write anywhere"
)
def test_read_only_folder(hs2s):
    os.mkdir("locked", 0o500)
    refused(hs2s(out="locked"), "locked", "cannot be written", out="locked")


def test_own_files_are_not_overwritten(hs2s):
    for folder in ("masks", "frames"):
        before = sorted(os.listdir(folder))
        status, _, error = hs2s(mask="masks", out=folder)
        assert (status, sorted(os.listdir(folder))) == (2, before)
        assert folder in error
    # The mask is one of them.
    refused(hs2s("--overwrite", out="masks"), "--out masks", "read from", out="nowhere")
    shutil.copy("frames/IMG_8.jpg", "one.jpg")
    for option, file in [
        ("--overlay", "one.jpg"),
        ("--json", "masks/IMG_8.png"),
        ("--json", "w.safetensors"),
    ]:
        refused(hs2s("--weights", "w.safetensors", option, file, video="one.jpg"), file, "read from")


def test_masks_of_two_runs_are_not_mixed(hs2s):
    assert hs2s("--json", "out/report.json", mask="masks")[0] == 0
    before = sorted(os.listdir("out"))
    status, _, error = hs2s("--direction", "backward")
    assert (status, sorted(os.listdir("out"))) == (2, before)
    assert "out holds masks already" in error
    assert "--overwrite" in error
    assert hs2s("--overwrite", "--direction", "backward")[0] == 0
    assert sorted(os.listdir("out")) == ["IMG_8.png", "report.json"]
    Image.fromarray(np.zeros((*SIZE, 3), np.uint8)).save("out/photo.png")
    status, _, error = hs2s("--overwrite")
    assert (status, sorted(os.listdir("out"))) == (2, ["IMG_8.png", "photo.png", "report.json"])
    assert "photo.png is no label map" in error


def test_an_earlier_run_is_kept_until_the_first_new_mask_is_there(hs2s, monkeypatch):
    assert hs2s(mask="masks")[0] == 0
    before = {file.name: file.read_bytes() for file in Path("out").iterdir()}
    shutil.copytree("masks", "damaged")
    Path("damaged/IMG_11.png").write_bytes(b"damaged")
    shutil.copytree("frames", "broken")
    Path("broken/IMG_9.jpg").write_bytes(b"damaged")
    with monkeypatch.context() as patch:
        patch.setattr("fiftyone_hs2s.tracking.folders.write_label_map", _full_disk)
        assert hs2s("--overwrite")[0] == 2
        assert hs2s("--overwrite", mask="damaged")[0] == 2
        assert {file.name: file.read_bytes() for file in Path("out").iterdir()} == before
    assert hs2s("--overwrite", video="broken")[0] == 2
    assert os.listdir("out") == ["IMG_8.png"]  # what was tracked, and nothing of the earlier run


def _full_disk(path, label_map):
    raise HS2SError(f"{path} cannot be written (No space left on device)")


@pytest.mark.parametrize("size", ["256", "256x", "axb", "-32x64"])
def test_size_that_is_none(hs2s, size):
    with pytest.raises(SystemExit) as caught:
        hs2s("--size", size)
    assert caught.value.code == 2


def test_size_that_the_network_cannot_take(hs2s):
    refused(hs2s("--size", "100x100"), "multiples of 32", "100x100")
    refused(hs2s("--size", "320000x320000"), "up to 4096", "320000x320000")


@pytest.mark.parametrize("device", ["meta", "hpu", "cuda:99", "nothing"])
def test_device_that_is_not_here(hs2s, device):
    refused(hs2s("--device", device), f'no device "{device}"')


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


def test_adapt_and_average(hs2s, caplog):
    with caplog.at_level("INFO", "fiftyone_hs2s"):
        for name, options in {
            "plain": [],
            "adapted": ["--adapt", "1e-6"],
            "average": ["--average", "flip"],
        }.items():
            assert hs2s("--json", f"{name}.json", *options, mask="masks", out=name)[0] == 0
    assert [text for text in caplog.messages if text.startswith("Adapting")] == [
        "Adapting to 2 objects, 1e-06 s"
    ]
    reports = {name: json.loads(Path(f"{name}.json").read_text()) for name in ("plain", "adapted", "average")}
    assert [report["adapted_seconds"] for report in reports.values()] == [0, 1e-6, 0]
    assert [report["average"] for report in reports.values()] == ["none", "none", "flip"]
    assert len({report["confidence"]["IMG_13"]["1"] for report in reports.values()}) == 3


@pytest.mark.parametrize("options", [["--adapt", "-1"], ["--adapt", "soon"], ["--average", "mirror"]])
def test_adapt_and_average_that_are_none(hs2s, options):
    with pytest.raises(SystemExit):
        hs2s(*options)
