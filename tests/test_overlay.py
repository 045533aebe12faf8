from __future__ import annotations

import av
import numpy as np
import pytest

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.masks import davis_palette
from fiftyone_hs2s.overlay import contact_sheet, draw_attention, draw_overlay, write_overlay
from fiftyone_hs2s.tracking import open_frames
from fiftyone_hs2s.video_writer import VideoWriter, write_video


def gray(value=100, size=(60, 80)):
    return np.full((*size, 3), value, np.uint8)


def test_overlay_tints_objects_and_leaves_the_rest():
    labels = np.zeros((60, 80), np.uint8)
    labels[10:40, 10:40] = 2
    labels[0:5, 60:80] = 255
    frame = gray()
    drawn = draw_overlay(frame, labels, opacity=0.5)
    assert (drawn[labels != 2] == 100).all()
    np.testing.assert_allclose(drawn[25, 25], 50 + davis_palette()[2] / 2, atol=1)
    assert (drawn[10, 25].astype(int) - drawn[25, 25] > 40).all()  # the border is light
    assert (frame == 100).all()


def test_overlay_draws_borders_between_objects_and_any_id():
    labels = np.full((60, 80), 300, np.uint16)
    labels[:, 40:] = 65535
    drawn = draw_overlay(gray(), labels)
    tint = davis_palette()[(300 - 1) % 254 + 1]  # colors are given again from 255 on
    np.testing.assert_allclose(drawn[30, 10], (100 + tint.astype(float)) / 2, atol=1)
    assert (drawn[30, 39].astype(int) - drawn[30, 10]).max() > 40
    assert (drawn[30, 10] != drawn[30, 70]).any()


def test_contact_sheet_is_laid_out_row_by_row():
    sheet = contact_sheet([gray(i) for i in (10, 20, 30)], columns=2, gap=4)
    assert sheet.shape == (60 * 2 + 4, 80 * 2 + 4, 3)
    assert [sheet[5, 5, 0], sheet[5, 90, 0], sheet[70, 5, 0], sheet[70, 90, 0]] == [10, 20, 30, 255]
    assert contact_sheet([gray(), gray(size=(30, 40))], columns=5).shape == (60, 164, 3)
    with pytest.raises(ValueError, match="at least one"):
        contact_sheet([])


@pytest.mark.parametrize("size", [(60, 80), (61, 81)])
def test_written_video_reads_back(tmp_path, size):
    write_video(tmp_path / "a.mp4", (gray(40 * i, size) for i in range(5)), fps=10)
    frames = open_frames(tmp_path / "a.mp4")
    assert frames.fps == 10
    assert frames.size == (60 + 2 * (size[0] % 2), 80 + 2 * (size[1] % 2))
    assert [round(float(frame.mean()) / 40) for frame in frames] == [0, 1, 2, 3, 4]
    assert [file.name for file in tmp_path.iterdir()] == ["a.mp4"]


def test_video_is_what_browsers_play(tmp_path):
    write_video(tmp_path / "a.mp4", [gray()] * 3)
    with av.open(str(tmp_path / "a.mp4")) as container:
        codec = container.streams.video[0].codec_context
        assert (codec.name, codec.pix_fmt) == ("h264", "yuv420p")
    data = (tmp_path / "a.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")  # it starts to play before it is loaded


def test_overlay_video_shows_frames_without_label_map_as_they_are(tmp_path):
    labels = np.ones((60, 80), np.uint8)
    write_overlay(tmp_path / "a.mp4", [gray(), gray()], [None, labels, labels])
    plain, drawn = open_frames(tmp_path / "a.mp4")
    assert abs(int(plain[30, 40, 0]) - 100) < 5
    assert drawn[30, 40, 0] - int(drawn[30, 40, 1]) > 30


def test_failure_leaves_no_file(tmp_path):
    with pytest.raises(RuntimeError, match="stop"), VideoWriter(tmp_path / "a.mp4") as video:
        video.write(gray())
        raise RuntimeError("stop")
    with pytest.raises(HS2SError, match="one size"):
        write_video(tmp_path / "a.mp4", [gray(), gray(size=(20, 20))])
    with pytest.raises(HS2SError, match="cannot be written"):
        write_video(tmp_path / "nowhere" / "a.mp4", [gray()])
    assert list(tmp_path.iterdir()) == []


def test_attention_is_drawn_from_blue_to_red_over_the_darkened_frame():
    frame, attention = np.full((4, 6, 3), 100, np.uint8), np.zeros((4, 6), np.float32)
    attention[1, 2], attention[3, 3] = 1, 0.2
    drawn = draw_attention(frame, attention)
    assert drawn.shape == frame.shape and drawn.dtype == np.uint8
    assert (drawn[0, 0] == 60).all() and (frame == 100).all()
    assert drawn[1, 2].argmax() == 0 and drawn[1, 2, 0] > 100 > drawn[1, 2, 2]  # red
    assert drawn[3, 3].argmax() == 2  # blue
