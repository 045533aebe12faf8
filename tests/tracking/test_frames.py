from __future__ import annotations

import subprocess
import threading

import cv2
import numpy as np
import pytest
from frame_files import HEIGHT, WIDTH, needs_ffmpeg, number_of, numbered, write_ffmpeg

from fiftyone_hs2s.errors import VideoError
from fiftyone_hs2s.tracking import open_frames
from fiftyone_hs2s.tracking.prefetch import prefetch
from fiftyone_hs2s.video_writer import write_video


def test_video_file_forward(tmp_path):
    write_video(tmp_path / "a.mp4", map(numbered, range(20)))
    frames = open_frames(tmp_path / "a.mp4")
    assert len(frames) == 20
    assert frames.size == (HEIGHT, WIDTH)
    assert frames.fps == 25
    assert frames.names[:2] == ["00000", "00001"]
    read = list(frames)
    assert [number_of(frame) for frame in read] == list(range(20))
    assert read[0].dtype == np.uint8
    assert read[0].shape == (HEIGHT, WIDTH, 3)
    assert frames.incomplete is None


def test_frames_are_rgb(tmp_path):
    red = np.zeros((32, 32, 3), np.uint8)
    red[..., 2] = 255  # OpenCV writes BGR
    cv2.imwrite(str(tmp_path / "0.png"), red)
    assert tuple(open_frames(tmp_path)[0][0, 0]) == (255, 0, 0)


@pytest.mark.parametrize(
    "options",
    [
        ("a.mp4", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-bf", "3", "-g", "250"),
        ("a.mp4", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", "12"),
        (
            "a.mkv",
            "-c:v",
            "libx264",
            "-pix_fmt",
            "yuv420p",
            "-bf",
            "2",
            "-x264-params",
            "open-gop=1:keyint=10",
        ),
        ("a.webm", "-c:v", "libvpx", "-b:v", "1M"),
        ("a.avi", "-c:v", "mpeg4", "-q:v", "2"),
        # no constant frame rate: every frame between 20 and 59 is shown twice as long
        (
            "a.mp4",
            "-vf",
            "setpts='if(between(N,20,59),2*N-20,if(gt(N,59),N+40,N))/25/TB'",
            "-fps_mode",
            "vfr",
            "-c:v",
            "libx264",
        ),
    ],
    ids=["x264-long-gop", "x264-short-gop", "mkv-open-gop", "webm", "avi", "variable-rate"],
)
@needs_ffmpeg
def test_backward_reading_is_frame_exact(tmp_path, options):
    frames = open_frames(write_ffmpeg(tmp_path / options[0], 150, *options[1:]))
    assert [number_of(frame) for frame in frames.reversed()] == list(range(150))[::-1]
    assert [number_of(frame) for frame in frames[40:90].reversed()] == list(range(40, 90))[::-1]
    assert [number_of(frame) for frame in frames[70:75]] == list(range(70, 75))
    assert number_of(frames[149]) == 149
    assert [number_of(frame) for frame in frames] == list(range(150))


@needs_ffmpeg
def test_stream_without_announced_length_is_counted(tmp_path):
    frames = open_frames(write_ffmpeg(tmp_path / "a.h264", 30, "-c:v", "libx264", "-pix_fmt", "yuv420p"))
    assert len(list(frames)) == 30
    assert len(frames) == 30
    assert frames.incomplete is None


@needs_ffmpeg
def test_rotated_video_is_upright(tmp_path):
    flat = write_ffmpeg(tmp_path / "flat.mp4", 3, "-c:v", "libx264", "-pix_fmt", "yuv420p")
    turned = tmp_path / "turned.mp4"
    subprocess.run(
        ["ffmpeg", "-v", "error", "-display_rotation", "90", "-i", str(flat), "-c", "copy", str(turned)]
    )
    if not turned.exists():
        subprocess.run(
            [
                "ffmpeg",
                "-v",
                "error",
                "-i",
                str(flat),
                "-c",
                "copy",
                "-metadata:s:v",
                "rotate=90",
                str(turned),
            ],
            check=True,
        )
    assert open_frames(turned).size == (WIDTH, HEIGHT)
    assert open_frames(turned)[0].shape == (WIDTH, HEIGHT, 3)


@needs_ffmpeg
def test_video_that_breaks_off_is_kept_and_flagged(tmp_path):
    options = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", "10", "-movflags", "+faststart")
    path = write_ffmpeg(tmp_path / "a.mp4", 100, *options)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    frames = open_frames(path)
    read = [number_of(frame) for frame in frames]
    assert 20 < len(read) < 90
    assert read == list(range(len(read)))
    assert len(frames) == len(read)
    assert "a.mp4" in frames.incomplete
    assert "100" in frames.incomplete
    assert len(list(open_frames(path).reversed())) == len(read)


@pytest.mark.parametrize("content", [b"", b"not a video", b"\0" * 5000])
def test_video_that_cannot_be_opened_is_named(tmp_path, content):
    (tmp_path / "bad.mp4").write_bytes(content)
    with pytest.raises(VideoError, match=r"bad\.mp4"):
        open_frames(tmp_path / "bad.mp4")


def test_missing_path_is_named(tmp_path):
    with pytest.raises(VideoError, match="nowhere"):
        open_frames(tmp_path / "nowhere")


def test_prefetch_hands_on_errors_and_ends_its_thread():
    def failing():
        yield 1
        raise VideoError("broken")

    items = prefetch(failing())
    assert next(items) == 1
    with pytest.raises(VideoError, match="broken"):
        next(items)

    endless = prefetch(iter(int, 1), depth=2)
    next(endless)
    endless.close()
    assert not any(thread.name.startswith("hs2s-prefetch") for thread in threading.enumerate())
