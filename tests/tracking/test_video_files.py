"""Every frame of every kind of file is the one that the ffmpeg command gives: forward, backward and from
anywhere."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess

import av
import numpy as np
import pytest

from fiftyone_hs2s.tracking import open_frames

pytestmark = pytest.mark.skipif(
    shutil.which("ffmpeg") is None, reason="the ffmpeg executable is not installed"
)

TOLERANCE = 2
"""Levels of 255. FFmpeg's scaler rounds in as many ways as it has versions and kinds of CPU; most often it
is 0."""

H264 = "-c:v libx264 -g 6 -bf 2 -pix_fmt yuv420p"
X265 = "-c:v libx265 -x265-params log-level=none:keyint=6"
FIELDS = "-vf tinterlace=interleave_top,setfield=tff -flags +ildct+ilme"
SLOW_HALF = "-vf setpts='if(gt(N,6),3*N,N)/25/TB' -fps_mode passthrough"
SOUND = "-f lavfi -i sine=duration=3"

# name: size, encoding; {sound} adds a second input that is longer than the picture
FILES = {
    "h264.mp4": ("64x48", H264),
    "h264_open_gop.mkv": (
        "64x48",
        "-c:v libx264 -x264-params keyint=6:open-gop=1:bframes=3 -pix_fmt yuv420p",
    ),
    "h264_refresh.ts": (
        "64x48",
        "-c:v libx264 -x264-params keyint=8:intra-refresh=1:bframes=0 -pix_fmt yuv420p",
    ),
    "h264_fragments.mp4": ("64x48", f"{H264} -movflags frag_keyframe+empty_moov"),
    "h264.flv": ("64x48", H264),
    "h264.ts": ("64x48", H264),
    "h264.h264": ("64x48", H264),
    "h264_422.mkv": ("64x48", "-c:v libx264 -g 6 -pix_fmt yuv422p"),
    "h264_444_odd.mp4": ("63x47", "-c:v libx264 -g 6 -pix_fmt yuv444p"),
    "h264_10_bit.mp4": ("64x48", "-c:v libx264 -g 6 -pix_fmt yuv420p10le"),
    "h264_709.mp4": ("64x48", f"{H264} -colorspace bt709 -color_primaries bt709 -color_trc bt709"),
    "h264_full_range.mp4": ("64x48", "-c:v libx264 -g 6 -pix_fmt yuvj420p"),
    "h264_wide_pixels.mp4": ("64x48", f"{H264} -aspect 2"),
    "h264_one_frame.mp4": ("64x48", f"{H264} -frames:v 1"),
    "h264_interlaced.mp4": ("64x96", f"{FIELDS} {H264}"),
    "h264_interlaced.ts": ("64x96", f"{FIELDS} {H264}"),
    "h264_interlaced_422.mkv": ("64x96", f"{FIELDS} -c:v libx264 -g 6 -pix_fmt yuv422p"),
    "h264_rotated_90.mp4": ("64x48", f"{H264} -metadata:s:v rotate=90"),
    "h264_rotated_180.mov": ("64x48", f"{H264} -metadata:s:v rotate=180"),
    "h264_rotated_270.mp4": ("64x48", f"{H264} -metadata:s:v rotate=270"),
    "h264_rotated_30.mp4": ("64x48", f"{H264} -metadata:s:v rotate=30"),
    "h264_mirrored.mkv": ("64x48", f"{H264} -bsf:v h264_metadata=display_orientation=insert:flip=horizontal"),
    "h264_offset.mp4": ("64x48", f"{H264} -output_ts_offset 7"),
    "h264_offset.ts": ("64x48", f"{H264} -output_ts_offset 95000"),  # the clock of TS turns over at 95443 s
    "h264_negative.mp4": ("64x48", f"{H264} -avoid_negative_ts disabled -output_ts_offset -0.2"),
    "h264_slow_half.mkv": ("64x48", f"{SLOW_HALF} {H264}"),
    "h264_slow_half.mp4": ("64x48", f"{SLOW_HALF} {H264}"),
    "h264_sound.mkv": ("64x48", f"{SOUND} {H264}"),
    "h264_sound.ts": ("64x48", f"{SOUND} {H264}"),
    "h264_sound.flv": ("64x48", f"{SOUND} {H264} -ar 44100"),
    "hevc.mp4": ("64x48", f"{X265} -pix_fmt yuv420p"),
    "hevc_10_bit_2020.mp4": (
        "64x48",
        f"{X265}:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc -pix_fmt yuv420p10le",
    ),
    "hevc_interlaced.mkv": ("64x96", f"{FIELDS} {X265}:interlace=tff -pix_fmt yuv420p"),
    "vp8_hidden_frames.webm": ("64x48", "-c:v libvpx -auto-alt-ref 1 -lag-in-frames 10 -g 10 -b:v 200k"),
    "vp8_sound.webm": ("64x48", f"{SOUND} -c:v libvpx -g 6 -c:a libvorbis"),
    "vp9_slow_half.webm": ("64x48", f"{SLOW_HALF} -c:v libvpx-vp9 -g 6"),
    "vp9_odd.webm": ("63x47", "-c:v libvpx-vp9 -g 6 -pix_fmt yuv420p"),
    "av1.mkv": ("64x64", "-c:v libaom-av1 -cpu-used 8 -g 6"),
    "mpeg2_interlaced.mpg": ("64x96", f"{FIELDS} -c:v mpeg2video -q:v 3 -g 6 -bf 2"),
    "mpeg2_sound.mpg": ("64x48", f"{SOUND} -c:v mpeg2video -q:v 3 -g 6"),
    "mpeg2_422.ts": ("64x96", f"{FIELDS} -c:v mpeg2video -q:v 3 -g 6 -pix_fmt yuv422p"),
    "mpeg2.mxf": ("64x48", "-c:v mpeg2video -q:v 3 -g 6 -bf 2"),
    "mpeg4_b_frames.avi": ("64x48", "-c:v mpeg4 -q:v 3 -g 6 -bf 2"),
    "mpeg4_interlaced.mp4": ("64x96", f"{FIELDS} -c:v mpeg4 -q:v 3 -g 6"),
    "mjpeg.avi": ("64x48", "-c:v mjpeg -q:v 3 -pix_fmt yuvj420p"),
    "prores_interlaced.mov": ("64x96", f"{FIELDS} -c:v prores -pix_fmt yuv422p10le"),
    "dv_interlaced.dv": ("720x576", f"{FIELDS} -c:v dvvideo -pix_fmt yuv420p -frames:v 4"),
    "ffv1_gray.mkv": ("64x48", "-c:v ffv1 -pix_fmt gray"),
    "raw_upside_down.avi": ("62x48", "-c:v rawvideo -pix_fmt bgr24 -flags +bitexact"),
    "gif.gif": ("64x48", ""),
    "theora.ogv": ("64x48", "-c:v libtheora -q:v 7 -g 6"),
    "wmv2.wmv": ("64x48", "-c:v wmv2 -q:v 3 -g 6"),
}


def ffmpeg(*arguments, **options):
    command = ["ffmpeg", "-v", "error", "-nostdin", "-y", *(str(argument) for argument in arguments)]
    return subprocess.run(command, check=True, capture_output=True, **options).stdout


def encode(path, size, options, seconds=0.72):
    source = (
        f"testsrc2=size={size}:rate=25:duration={seconds if 'tinterlace' not in options else 2 * seconds}"
    )
    ffmpeg("-f", "lavfi", "-i", source, *options.split(), path)
    return path


def reference(path):
    """What ffmpeg gives: a series of PPM pictures, which tell their size."""
    command = ["ffmpeg", "-v", "quiet", "-i", str(path), "-fps_mode", "passthrough", "-f", "image2pipe"]
    data, frames = (
        subprocess.run(
            [*command, "-c:v", "ppm", "-pix_fmt", "rgb24", "-"], capture_output=True, check=False
        ).stdout,
        [],
    )
    while data:
        _, size, _, data = data.split(b"\n", 3)
        width, height = map(int, size.split())
        frames.append(np.frombuffer(data[: width * height * 3], np.uint8).reshape(height, width, 3))
        data = data[width * height * 3 :]
    return frames


def assert_same(read, wanted):
    assert len(read) == len(wanted)
    for frame, right in zip(read, wanted, strict=True):
        assert frame.shape == right.shape
        assert frame.dtype == np.uint8
        assert np.abs(frame.astype(int) - right).max() <= TOLERANCE


def assert_as_ffmpeg(path):
    wanted = reference(path)
    frames = open_frames(path)
    assert frames.size == wanted[0].shape[:2]
    assert len(frames) == len(wanted)
    assert_same(list(frames), wanted)
    assert len(frames) == len(wanted)
    assert_same(list(frames.reversed()), wanted[::-1])
    assert_same(list(frames[5:11]), wanted[5:11])
    assert_same(list(frames[7:12].reversed()), wanted[7:12][::-1])
    assert_same([frames[len(wanted) - 1], frames[0]], [wanted[-1], wanted[0]])
    assert frames.incomplete is None
    return wanted


@pytest.mark.parametrize("name", FILES)
def test_frames_are_those_of_ffmpeg(tmp_path, name):
    assert_as_ffmpeg(encode(tmp_path / name, *FILES[name]))


@pytest.mark.parametrize(
    ("cut", "options"),
    [
        ("a.mp4", "-ss 0.3"),
        ("a.mov", "-ss 0.3 -t 0.3"),
        ("a.mp4", "-t 0.3"),
        ("a.mkv", "-ss 0.3"),
        ("a.ts", "-ss 0.3"),
    ],
)
def test_video_cut_without_encoding_is_whole(tmp_path, cut, options):
    whole = encode(tmp_path / "whole.mp4", *FILES["h264.mp4"])
    ffmpeg(*options.split(), "-i", whole, "-c", "copy", tmp_path / cut)
    assert_as_ffmpeg(tmp_path / cut)


@pytest.mark.parametrize(
    "second", [("64x96", f"{FIELDS} {H264}"), ("96x64", H264)], ids=["interlaced", "larger"]
)
def test_stream_that_changes_half_way(tmp_path, second):
    parts = [encode(tmp_path / "a.h264", "64x96", H264), encode(tmp_path / "b.h264", *second)]
    (tmp_path / "both.h264").write_bytes(b"".join(part.read_bytes() for part in parts))
    assert len(assert_as_ffmpeg(tmp_path / "both.h264")) == 36


def test_video_beside_a_cover_picture_and_an_odd_title(tmp_path):
    video, cover = encode(tmp_path / "a.mp4", *FILES["h264.mp4"]), tmp_path / "cover.png"
    ffmpeg("-f", "lavfi", "-i", "color=red:size=400x400", "-frames:v", 1, cover)
    options = "-map 0 -map 1 -c copy -disposition:v:1 attached_pic -metadata title=TITLE"
    path = tmp_path / "a: b.mp4"
    ffmpeg("-i", video, "-i", cover, *options.split(), f"file:{path}")
    path.write_bytes(path.read_bytes().replace(b"TITLE", b"T\xefT\xffE"))  # no UTF-8
    assert len(assert_as_ffmpeg(f"file:{path}" if os.sep not in str(path) else path)) == 18


def test_messages_of_ffmpeg_never_wait_for_python(tmp_path):
    """Older torchvisions let them: closing a decoder could then hang for ever."""
    av.logging.set_level(av.logging.ERROR)
    open_frames(encode(tmp_path / "a.mp4", *FILES["h264.mp4"]))
    assert av.logging.get_level() is None


def test_reading_goes_on_in_another_process(tmp_path):
    frames = open_frames(encode(tmp_path / "a.mp4", *FILES["h264.mp4"]))
    frames.verify_length()
    copy = pickle.loads(pickle.dumps(frames))
    assert_same(list(copy[7:15].reversed()), list(frames)[7:15][::-1])


def cut(data, share=0.7):
    return data[: round(len(data) * share) | 1]  # an odd number is no border between packets of MPEG


def overwrite(data, share=0.5, length=400):
    """Zeros in the middle."""
    start = round(len(data) * share)
    return data[:start] + bytes(length) + data[start + length :]


DAMAGED = {
    "cut mp4": ("h264.mp4", cut),
    "cut fragments": ("h264_fragments.mp4", cut),
    "cut mkv": ("h264_open_gop.mkv", cut),
    "cut webm": ("vp9_odd.webm", cut),
    "cut flv": ("h264.flv", cut),
    "cut ts": ("h264.ts", cut),
    "cut mpeg2 ts": ("mpeg2_422.ts", cut),
    "cut mpg": ("mpeg2_interlaced.mpg", cut),
    "cut avi": ("mpeg4_b_frames.avi", cut),
    "cut ogv": ("theora.ogv", cut),
    "late start ts": ("h264.ts", lambda data: data[round(len(data) * 0.2) // 188 * 188 :]),
    "late start mpg": ("mpeg2_interlaced.mpg", lambda data: data[round(len(data) * 0.2) :]),
    "damaged mp4": ("h264.mp4", overwrite),
    "damaged ts": ("h264.ts", overwrite),
    "damaged mpeg2 ts": ("mpeg2_422.ts", overwrite),
    "damaged mkv": ("h264_sound.mkv", overwrite),
    "damaged avi": ("mpeg4_b_frames.avi", overwrite),
    "damaged prores": ("prores_interlaced.mov", overwrite),
}


DELAY = 4
"""How many frames a decoder may hold back: it is not known which of them damage has hit."""


@pytest.mark.parametrize("kind", DAMAGED)
def test_damage_is_told_and_what_ffmpeg_shows_is_shown(tmp_path, kind):
    name, damage = DAMAGED[kind]
    size, options = FILES[name]
    path = encode(tmp_path / name, size, options + (" -movflags +faststart" if name == "h264.mp4" else ""))
    whole = reference(path)
    path.write_bytes(damage(path.read_bytes()))
    wanted, frames = reference(path), open_frames(path)
    assert_same(list(frames), wanted)
    assert str(path) in frames.incomplete
    assert len(frames) == len(wanted)
    assert_same(list(frames.reversed()), wanted[::-1])
    same = [np.array_equal(*pair) for pair in zip(wanted, whole, strict=False)]
    wrong = [*same, False].index(False)
    assert str(path) in frames[: wrong + 1].incomplete
    assert frames[: max(0, wrong - DELAY)].incomplete is None
