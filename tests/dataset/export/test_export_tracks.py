from __future__ import annotations

import json

import cv2
import fiftyone as fo
import numpy as np
import pytest
from export_kit import EMPTY, LABELS, UNLABELED, hard_sample, label_map, labeled_frames, masks
from fiftyone_kit import H, T, W, detection, picture, truth
from PIL import Image

from fiftyone_hs2s import HS2SError, export_tracks, import_sequences
from fiftyone_hs2s.dataset.labels import detection_mask
from fiftyone_hs2s.mask_files.meta import read_meta
from fiftyone_hs2s.mask_files.sequence_masks import MaskSequence
from fiftyone_hs2s.masks import davis_palette, write_label_map
from fiftyone_hs2s.metrics import evaluate_folders
from fiftyone_hs2s.tracking import open_frames


@pytest.fixture
def hard(dataset, video):
    dataset.add_sample(hard_sample(video, sequence="walk"))
    return dataset


def names(step: int = 1) -> dict[str, int]:
    """Frame numbers by the names of the exported frames."""
    return {f"{number - 1:05}": number for number in labeled_frames() if (number - 1) % step == 0}


def messages(rows: list[dict[str, str]]) -> str:
    return " | ".join(row["message"] for row in rows)


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


def test_imported_names_and_odd_sizes_come_out_again(tmp_path):
    """What a video cannot keep: frames 00000, 00005, ... of 63x95 pixels."""
    images, annotations = tmp_path / "in" / "JPEGImages" / "walk", tmp_path / "in" / "Annotations" / "walk"
    images.mkdir(parents=True)
    annotations.mkdir(parents=True)
    for k in range(3):
        cv2.imwrite(str(images / f"{5 * k:05}.jpg"), picture(k + 1)[:63, :95, ::-1])
        write_label_map(annotations / f"{5 * k:05}.png", label_map(k + 4)[:63, :95])
    dataset = import_sequences(tmp_path / "in", videos=tmp_path / "videos")
    export_tracks(dataset, "ground_truth", tmp_path / "out", "youtube-vos", export_media=True)
    for view in (dataset, dataset.to_clips([[(2, 3)]])):
        export_tracks(view, "ground_truth", tmp_path / "out2", "youtube-vos", overwrite=True)
    dataset.delete()
    for k in range(3):
        file = f"{5 * k:05}.png"
        written = np.array(Image.open(tmp_path / "out" / "Annotations" / "walk" / file))
        np.testing.assert_array_equal(written, label_map(k + 4)[:63, :95])
        assert cv2.imread(str(tmp_path / "out" / "JPEGImages" / "walk" / f"{5 * k:05}.jpg")).shape == (
            63,
            95,
            3,
        )
    clip = sorted(file.name for file in (tmp_path / "out2" / "Annotations" / "walk_2-3").iterdir())
    assert clip == ["00005.png", "00010.png"]


def test_clips_are_sequences_of_their_own(hard, tmp_path):
    report = export_tracks(hard.to_clips([[(2, 5), (8, 12)]]), "pred", tmp_path, export_media=True)
    assert report.sequences == ["walk_2-5", "walk_8-12"]
    written = {
        name: sorted(file.stem for file in (tmp_path / "Annotations" / "480p" / name).iterdir())
        for name in report.sequences
    }
    assert written == {
        "walk_2-5": ["00001", "00002", "00003", "00004"],
        "walk_8-12": ["00007", "00008", "00010", "00011"],
    }
    read = np.array(Image.open(tmp_path / "Annotations" / "480p" / "walk_8-12" / "00008.png"))
    np.testing.assert_array_equal(read, label_map(9))
    image = cv2.imread(str(tmp_path / "JPEGImages" / "480p" / "walk_8-12" / "00008.jpg"))[..., ::-1]
    assert np.abs(image.astype(int) - picture(9)).mean() < 8


def test_groups_of_images_have_the_names_of_their_files(dataset, tmp_path):
    folder = tmp_path / "bear"
    folder.mkdir()
    for number in (3, 1, 2):
        cv2.imwrite(str(folder / f"f{number}.jpg"), picture(number)[..., ::-1])
        found = fo.Detections(detections=[detection(truth(number)[0], label="bear", index=0)])
        dataset.add_sample(
            fo.Sample(filepath=str(folder / f"f{number}.jpg"), video="a", number=number, pred=found)
        )
    report = export_tracks(
        dataset.group_by("video", order_by="number"), "pred", tmp_path / "out", export_media=True
    )
    assert report.sequences == ["bear"]
    assert "plus 1" in messages(report.notes)
    for number in (1, 2, 3):
        written = np.array(Image.open(tmp_path / "out" / "Annotations" / "480p" / "bear" / f"f{number}.png"))
        np.testing.assert_array_equal(written, truth(number)[0])
        assert (tmp_path / "out" / "JPEGImages" / "480p" / "bear" / f"f{number}.jpg").exists()


def add(dataset, video, *frames: list[fo.Detection], **about) -> None:
    sample = fo.Sample(filepath=str(video), **about)
    for number, found in enumerate(frames, start=1):
        sample.frames[number] = fo.Frame(pred=fo.Detections(detections=found))
    dataset.add_sample(sample)


def test_ids_are_refused_or_right(dataset, video, tmp_path):
    red, blue = truth(1).values()
    add(
        dataset,
        video,
        [detection(red, label="a", index=300), detection(blue, label="b", index=2)],
        sequence="large",
    )
    add(dataset, video, [detection(red, label="a"), detection(blue, label="b")], sequence="labels")
    pair = [detection(red, label="a", index=4, instance=fo.Instance()), detection(blue, label="b", index=4)]
    add(dataset, video, pair, sequence="shared")
    add(dataset, video, [detection(red, label="a"), detection(blue, label="a")], sequence="alike")
    add(
        dataset,
        video,
        [detection(red, label="a", index=1)],
        [detection(red, label="b", index=1)],
        sequence="renamed",
    )
    add(dataset, video, [], sequence="none")
    report = export_tracks(dataset, "pred", tmp_path)
    assert report.sequences == ["large", "labels", "shared"]
    problems = [row["message"] for row in report.problems]
    assert "frame 1 have only the label 'a'" in problems[0]
    assert "index 1 is both 'a' and 'b'" in problems[1]
    assert "has no masks in 'pred'" in problems[2]
    root = tmp_path / "Annotations" / "480p"
    large = MaskSequence(root / "large").masks("00000")
    np.testing.assert_array_equal(large[300], red)
    np.testing.assert_array_equal(large[2], blue)
    assert "16-bit" in messages(report.notes)
    for name in ("labels", "shared"):
        found = MaskSequence(root / name).masks("00000")
        assert [int((mask & blue).any()) for mask in found.values()] in ([0, 1], [1, 0])
        assert sorted(found) == [1, 2]
    assert "several objects have one index" in messages(report.notes)
    assert sorted(file.name for file in root.iterdir()) == ["labels", "large", "shared"]
    with pytest.raises(HS2SError, match="is uint16: the server reads ids up to 254"):
        export_tracks(dataset[:1], "pred", tmp_path / "zip", "davis2017-zip")
    export_tracks(dataset[:1], "pred", tmp_path / "zip", "davis2017-zip", renumber=True)
    with pytest.raises(HS2SError, match=r"all sequences or none: sample .*have only the label 'a'"):
        export_tracks(dataset, "pred", tmp_path / "zip2", "davis2017-zip", renumber=True)


def test_nothing_is_replaced_or_left_half_done(hard, tmp_path, video):
    export_tracks(hard, "pred", tmp_path)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*.png")}
    with pytest.raises(HS2SError, match="exists already"):
        export_tracks(hard, "pred", tmp_path)
    broken = hard.first()
    broken.frames[9].pred.detections[0].mask = np.ones((3, 3, 3))
    broken.save()
    with pytest.raises(HS2SError, match="frame 9: its mask has shape"):
        export_tracks(hard, "pred", tmp_path, overwrite=True)
    assert {file: file.read_bytes() for file in tmp_path.rglob("*.png")} == before
    assert list(tmp_path.rglob(".*")) == []
    hard.add_sample(hard_sample(video))
    report = export_tracks(hard, "pred", tmp_path / "two", "youtube-vos")
    assert (report.sequences, len(report.problems)) == (["squares"], 1)


def test_what_cannot_be_is_said(hard, tmp_path):
    with pytest.raises(HS2SError, match="there is no format 'avi': choose one of davis, youtube-vos"):
        export_tracks(hard, "pred", tmp_path, "avi")
    with pytest.raises(HS2SError, match="is no Detections field"):
        export_tracks(hard, "nothing", tmp_path)
    with pytest.raises(HS2SError, match="every=0 leaves no frame"):
        export_tracks(hard, "pred", tmp_path, every=0)
    with pytest.raises(HS2SError, match="leave it out"):
        export_tracks(hard, "pred", tmp_path, like=tmp_path)
    assert [*tmp_path.iterdir()] == []


def test_filters_of_a_view_hold(hard, tmp_path):
    view = hard.filter_labels("frames.pred", fo.ViewField("index") == 7)
    export_tracks(view, "pred", tmp_path)
    found = MaskSequence(tmp_path / "Annotations" / "480p" / "walk")
    assert {i for name in found.names for i in found.masks(name)} == {7}
    np.testing.assert_array_equal(found.masks("00005")[7], masks(6)[7])
