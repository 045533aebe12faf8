from __future__ import annotations

import json

import cv2
import fiftyone as fo
import numpy as np
import pytest
from export_kit import (
    EMPTY,
    LABELS,
    UNLABELED,
    label_map,
    labeled_frames,
    masks,
    messages,
    names,
)
from fiftyone_kit import H, T, W, picture
from PIL import Image

from fiftyone_hs2s import HS2SError, export_tracks, import_sequences
from fiftyone_hs2s.dataset.labels import detection_mask
from fiftyone_hs2s.mask_files.meta import read_meta
from fiftyone_hs2s.mask_files.sequence_masks import MaskSequence
from fiftyone_hs2s.masks import davis_palette
from fiftyone_hs2s.metrics import evaluate_folders
from fiftyone_hs2s.tracking import open_frames


def test_davis_folder_as_the_official_evaluator_reads_it(hard, tmp_path):
    report = export_tracks(hard, "frames.pred", tmp_path, "davis", export_media=True)
    assert (report.sequences, report.frames, report.problems) == (["walk"], T - 1, [])
    assert "overlap on 6 frames" in messages(report.notes)
    assert (tmp_path / "ImageSets" / "2017" / "val.txt").read_text().split() == ["walk"]
    files = sorted((tmp_path / "Annotations" / "480p" / "walk").glob("*.png"))
    assert [file.stem for file in files] == list(names())
    for file, number in zip(files, names().values(), strict=True):
        with Image.open(file) as image:
            assert image.mode == "P"
            assert image.getpalette() == davis_palette().ravel().tolist()
            np.testing.assert_array_equal(np.array(image), label_map(number))
    images = sorted((tmp_path / "JPEGImages" / "480p" / "walk").glob("*.jpg"))
    assert [file.stem for file in images] == list(names())
    error = np.abs(cv2.imread(str(images[2]))[..., ::-1].astype(int) - picture(3))
    assert error.mean() < 8, "the frame of that number"


def test_exported_folder_is_imported_and_scored_as_the_source(hard, tmp_path):
    export_tracks(hard, "pred", tmp_path, export_media=True, fill=True)
    back = import_sequences(tmp_path, split="val", videos=tmp_path / "videos")
    sample = back.first()
    for number in (1, 5, 6, EMPTY, T):
        found = {d.index: detection_mask(d, (H, W)) for d in sample.frames[number].ground_truth.detections}
        for index, mask in found.items():
            np.testing.assert_array_equal(mask, label_map(number) == index)
        assert sorted(found) == [i for i in LABELS if (label_map(number) == i).any()]
    back.delete()
    assert evaluate_folders(tmp_path, tmp_path, "all", split="val").JF == 1


def test_youtube_vos_folder_has_every_kth_frame_and_says_what_is_where(hard, tmp_path):
    export_tracks(hard, "pred", tmp_path, "youtube-vos", every=5)
    sequence = MaskSequence(tmp_path / "Annotations" / "walk")
    assert sequence.names == ["00000", "00005", "00010"]
    for name in sequence.names:
        np.testing.assert_array_equal(sequence.label_map(name), label_map(names()[name]))
    meta = read_meta(tmp_path / "meta.json")
    assert meta.classes == {"walk": LABELS}
    assert meta.frames["walk"] == {1: ("00000",), 2: ("00005",), 7: ("00000", "00005")}


def test_sa_v_folders_keep_overlaps(hard, tmp_path):
    report = export_tracks(hard, "pred", tmp_path, "sa-v")
    assert report.notes == []
    sequence = MaskSequence(tmp_path / "Annotations" / "walk")
    assert sequence.names == list(names())
    for name, number in names().items():
        found = sequence.masks(name)
        assert found.keys() == masks(number).keys()
        for index, mask in masks(number).items():
            np.testing.assert_array_equal(found[index], mask)


def test_coco_read_by_pycocotools(hard, tmp_path):
    coco = pytest.importorskip("pycocotools.coco")
    export_tracks(hard, "pred", tmp_path, "coco", export_media=True)
    api = coco.COCO(str(tmp_path / "labels.json"))
    assert [image["file_name"] for image in api.imgs.values()] == [f"walk/{name}.jpg" for name in names()]
    for image, number in zip(api.imgs.values(), names().values(), strict=True):
        assert (image["height"], image["width"]) == (H, W)
        assert cv2.imread(str(tmp_path / "data" / image["file_name"])).shape == (H, W, 3)
        found = {a["track_id"]: a for a in api.loadAnns(api.getAnnIds(imgIds=image["id"]))}
        assert found.keys() == masks(number).keys()
        for index, annotation in found.items():
            mask = masks(number)[index]
            np.testing.assert_array_equal(api.annToMask(annotation), mask)
            y, x = np.nonzero(mask)
            assert annotation["bbox"] == [x.min(), y.min(), np.ptp(x) + 1, np.ptp(y) + 1]
            assert annotation["area"] == mask.sum()
            assert api.cats[annotation["category_id"]]["name"] == LABELS[index]


def test_youtube_vis_has_a_track_an_annotation(hard, tmp_path):
    rle = pytest.importorskip("pycocotools.mask")
    export_tracks(hard, "pred", tmp_path, "youtube-vis")
    data = json.loads((tmp_path / "instances.json").read_text())
    (video,) = data["videos"]
    assert (video["length"], video["height"], video["width"]) == (T - 1, H, W)
    assert video["file_names"] == [f"walk/{name}.jpg" for name in names()]
    assert [a["track_id"] for a in data["annotations"]] == list(LABELS)
    categories = {c["id"]: c["name"] for c in data["categories"]}
    for annotation in data["annotations"]:
        index = annotation["track_id"]
        assert categories[annotation["category_id"]] == LABELS[index]
        for number, *rows in zip(
            labeled_frames(), *(annotation[key] for key in ("segmentations", "bboxes", "areas")), strict=True
        ):
            if index not in masks(number):
                assert rows == [None, None, None]
            else:
                np.testing.assert_array_equal(rle.decode(rows[0]), masks(number)[index])
                assert rows[2] == masks(number)[index].sum()


def test_mots_text_as_its_own_tool_reads_it(hard, tmp_path):
    rle = pytest.importorskip("pycocotools.mask")
    report = export_tracks(hard, "pred", tmp_path, "mots")
    assert "numbered on: cat, dog" in messages(report.notes)
    classes = dict(line.split(" ", 1)[::-1] for line in (tmp_path / "classes.txt").read_text().splitlines())
    frames: dict[int, dict[int, np.ndarray]] = {}
    for line in (tmp_path / "walk.txt").read_text().splitlines():
        index, number, kind, height, width, counts = line.split(" ")
        i = int(number) % 1000
        assert (int(number) // 1000, int(height), int(width)) == (int(kind), H, W)
        assert classes[LABELS[i]] == kind
        frames.setdefault(int(index), {})[i] = rle.decode({"size": [H, W], "counts": counts.encode()})
    for index, found in frames.items():
        assert sum(found.values()).max() == 1, "no pixel belongs to two"
        for i, mask in found.items():
            np.testing.assert_array_equal(mask, label_map(index + 1) == i)
    assert sorted(frames) == [n - 1 for n in labeled_frames() if n != EMPTY]
    assert (tmp_path / "sequences.seqmap").read_text() == "walk empty 000000 000011\n"


def test_cvat_read_by_fiftyones_importer(hard, tmp_path):
    export_tracks(hard, "pred", tmp_path, "cvat", export_media=True)
    back = fo.Dataset.from_dir(str(tmp_path), dataset_type=fo.types.CVATVideoDataset, label_field="cvat")
    sample = back.first()
    assert len(open_frames(sample.filepath)) == T
    (field,) = (name for name in sample.frames.first().field_names if name.startswith("cvat"))
    shown = {}
    for number, frame in sample.frames.items():
        found = {index: np.zeros((H, W), np.uint8) for index in LABELS}
        for line in frame[field].polylines if frame[field] else ():
            assert (line.closed, line.filled, line.label) == (True, True, LABELS[int(line["object"])])
            (points,) = (np.rint(np.array(shape) * (W, H)).astype(np.int32) for shape in line.points)
            cv2.fillPoly(found[int(line["object"])], [points], 1)
        shown[number] = {i: m > 0 for i, m in found.items() if m.any()}
    back.delete()
    for number in range(1, T + 1):
        expected = {} if number == UNLABELED else masks(number)
        assert shown.get(number, {}).keys() == expected.keys()
        for index, mask in expected.items():
            np.testing.assert_array_equal(shown[number][index], mask)


def test_overlay_video_is_in_the_apps_colors(hard, tmp_path):
    hard.app_config.color_scheme = fo.ColorScheme(
        color_pool=["#ff0000", "#00ff00", "#0000ff"], color_by="instance"
    )
    hard.app_config.color_scheme.opacity = 1.0
    hard.save()
    export_tracks(hard, "pred", tmp_path, "overlay")
    frames = list(open_frames(tmp_path / "walk.mp4"))
    assert len(frames) == T
    inside = {1: (20, 30), 2: (44, 66), 7: (33, 25)}  # on frame 6 object 1 is away
    for index, color in ((2, 1), (7, 2)):
        assert frames[5][inside[index]].argmax() == color
    assert frames[4][10, 20].argmax() == 0
    assert np.abs(frames[UNLABELED - 1].astype(int) - picture(UNLABELED)).mean() < 8
    hard.app_config.color_scheme = fo.ColorScheme(
        color_by="field", fields=[{"path": "frames.pred", "fieldColor": "#00ff00"}], opacity=1.0
    )
    hard.save()
    export_tracks(hard, "pred", tmp_path, "overlay", overwrite=True)
    assert {
        next(open_frames(tmp_path / "walk.mp4")[n : n + 1].__iter__())[33, 25].argmax() for n in (0, 4)
    } == {1}


@pytest.mark.parametrize(("server", "place"), [("davis2017", "walk/"), ("youtube-vos", "Annotations/walk/")])
def test_server_zip_has_what_the_server_asks_for(hard, tmp_path, server, place):
    from zipfile import ZipFile

    images = tmp_path / "data" / "JPEGImages" / "walk"
    images.mkdir(parents=True)
    for number in (1, 6, 10):
        cv2.imwrite(str(images / f"{number - 1:05}.jpg"), picture(number))
    report = export_tracks(hard, "pred", tmp_path / "out", f"{server}-zip", like=tmp_path / "data")
    assert (report.sequences, report.frames) == (["walk"], 3)
    with ZipFile(tmp_path / "out" / f"{server}.zip") as archive:
        assert archive.namelist() == [f"{place}{name}.png" for name in ("00000", "00005", "00009")]
        for number in (1, 6):
            with archive.open(f"{place}{number - 1:05}.png") as file, Image.open(file) as image:
                assert image.getpalette() == davis_palette().ravel().tolist()
                np.testing.assert_array_equal(np.array(image), label_map(number))
    cv2.imwrite(str(images / "00030.jpg"), picture(1))
    with pytest.raises(HS2SError, match="frames of walk that have no mask: 00030"):
        export_tracks(hard, "pred", tmp_path / "other", f"{server}-zip", like=tmp_path / "data")
    with pytest.raises(HS2SError, match=r"exists already"):
        export_tracks(hard, "pred", tmp_path / "out", f"{server}-zip")
    assert list((tmp_path / "other").iterdir()) == []
