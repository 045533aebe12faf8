from __future__ import annotations

import shutil
import subprocess
import threading

import cv2
import numpy as np
import pytest

from fiftyone_hs2s.errors import VideoError
from fiftyone_hs2s.tracking import open_frames
from fiftyone_hs2s.tracking.prefetch import prefetch
from fiftyone_hs2s.video_writer import write_video

HEIGHT, WIDTH, BITS = 64, 96, 8
needs_ffmpeg = pytest.mark.skipif(
    shutil.which("ffmpeg") is None, reason="the ffmpeg executable is not installed"
)


def numbered(number):
    """A frame that shows its number: eight columns, black or white."""
    bits = [(number >> bit) & 1 for bit in range(BITS)]
    return (
        np.repeat(np.repeat([[255 * bit for bit in bits]], WIDTH // BITS, 1), HEIGHT, 0)[..., None]
        .repeat(3, 2)
        .astype(np.uint8)
    )


def number_of(frame):
    return sum(
        int(frame[HEIGHT // 2, (2 * bit + 1) * WIDTH // BITS // 2, 0] > 127) << bit for bit in range(BITS)
    )


def write_ffmpeg(path, count, *options):
    command = [
        "ffmpeg",
        "-v",
        "error",
        "-f",
        "rawvideo",
        "-pix_fmt",
        "rgb24",
        "-s",
        f"{WIDTH}x{HEIGHT}",
        "-r",
        "25",
    ]
    data = b"".join(numbered(index).tobytes() for index in range(count))
    subprocess.run([*command, "-i", "-", *options, str(path)], input=data, check=True)
    return path


def write_folder(path, names, size=(HEIGHT, WIDTH)):
    path.mkdir(exist_ok=True)
    for index, name in enumerate(names):
        cv2.imwrite(str(path / name), cv2.resize(numbered(index), size[::-1]))
    return path


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


def test_folder_in_natural_order(tmp_path):
    folder = write_folder(tmp_path / "f", ["f1.png", "f2.png", "f10.jpg"])
    (folder / "notes.txt").touch()
    (folder / ".hidden.png").touch()
    frames = open_frames(folder)
    assert frames.names == ["f1", "f2", "f10"]
    assert frames.fps is None
    assert [number_of(frame) for frame in frames] == [0, 1, 2]
    assert [number_of(frame) for frame in frames.reversed()] == [2, 1, 0]
    assert frames.reversed().names == ["f10", "f2", "f1"]


def test_images_in_the_order_of_a_list(tmp_path):
    names = ["b/2.png", "a/10.png", "b/1.png"]
    for value, name in enumerate(names):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / name), np.full((8, 10, 3), 50 * value, np.uint8))
    frames = open_frames([tmp_path / name for name in names])
    assert [int(frame[0, 0, 0]) for frame in frames] == [0, 50, 100] and frames.size == (8, 10)
    assert frames.names == ["2", "10", "1"]
    with pytest.raises(VideoError, match=r"first frame .*nowhere\.png is missing, damaged or not an image"):
        open_frames([str(tmp_path / "nowhere.png")])


def test_folder_without_images(tmp_path):
    with pytest.raises(VideoError, match="no images"):
        open_frames(tmp_path)


def test_folder_with_two_frames_of_one_name(tmp_path):
    with pytest.raises(VideoError, match="more than one image named a"):
        open_frames(write_folder(tmp_path / "f", ["a.png", "a.jpg"]))


def test_folder_with_damaged_frame_breaks_off_there(tmp_path):
    folder = write_folder(tmp_path / "f", [f"{i}.png" for i in range(6)])
    (folder / "3.png").write_bytes(b"damaged")
    frames = open_frames(folder)
    assert [number_of(frame) for frame in frames] == [0, 1, 2]
    assert "3.png" in frames.incomplete
    assert [number_of(frame) for frame in frames.reversed()] == [5, 4]
    with pytest.raises(VideoError, match=r"3\.png"):
        frames[3]


def test_folder_with_a_frame_of_another_size_breaks_off_there(tmp_path):
    folder = write_folder(tmp_path / "f", ["0.png", "1.png"])
    write_folder(folder, ["1.png"], size=(32, 32))
    frames = open_frames(folder)
    assert len(list(frames)) == 1
    assert "32x32" in frames.incomplete


def test_damaged_first_frame_is_an_error(tmp_path):
    (tmp_path / "0.png").write_bytes(b"damaged")
    with pytest.raises(VideoError, match=r"0\.png"):
        open_frames(tmp_path)


def test_array_and_slices():
    frames = open_frames(np.stack([numbered(index) for index in range(10)]))
    assert number_of(frames[-1]) == 9
    assert [number_of(frame) for frame in frames[3:7]] == [3, 4, 5, 6]
    assert [number_of(frame) for frame in frames[3:][2:4]] == [5, 6]
    assert [number_of(frame) for frame in frames.reversed()[2:4]] == [7, 6]
    assert [number_of(frame) for frame in frames[3:7].reversed()] == [6, 5, 4, 3]
    assert list(frames[20:]) == []
    assert list(frames.reversed()[20:]) == []
    assert frames[3:].name(1) == "00004"
    assert frames.reversed().name(1) == "00008"
    with pytest.raises(ValueError, match="reversed"):
        frames[::2]
    with pytest.raises(IndexError):
        frames[10]


@pytest.mark.parametrize(
    "array", [np.zeros((0, 8, 8, 3), np.uint8), np.zeros((2, 8, 8, 3)), np.zeros((2, 8, 8), np.uint8)]
)
def test_arrays_that_are_no_video(array):
    with pytest.raises(VideoError):
        open_frames(array)


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


def write_images(folder, images):
    folder.mkdir()
    for name, image in images.items():
        cv2.imwrite(str(folder / f"{name}.png"), image)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_frames_of_16_bits_are_scaled_by_the_bits_that_they_use(tmp_path, bits):
    """The same for all frames, so that a darker one stays darker."""
    full = np.linspace(0, 2**bits - 1, 40 * 30).astype(np.uint16).reshape(30, 40)
    write_images(tmp_path / "deep", {"0": full // 4, "1": full, "2": full // 2})
    frames = list(open_frames(tmp_path / "deep"))
    for frame, image in zip(frames, (full // 4, full, full // 2), strict=True):
        assert frame.dtype == np.uint8
        np.testing.assert_array_equal(frame, (image >> (bits - 8)).astype(np.uint8)[..., None].repeat(3, 2))


def test_frames_named_by_seconds_are_in_order_of_time(tmp_path):
    names = ["0.5", "0.75", "1.25", "10.0", "9.5"]
    write_images(tmp_path / "timed", {name: np.full((8, 8), float(name) * 10, np.uint8) for name in names})
    frames = open_frames(tmp_path / "timed")
    assert frames.names == ["0.5", "0.75", "1.25", "9.5", "10.0"]
    assert [int(frame[0, 0, 0]) for frame in frames] == [5, 7, 12, 95, 100]
