"""Images of a dataset with instance masks, which are moved into clips."""

from __future__ import annotations

import logging

import cv2
import fiftyone as fo
import numpy as np
import pytest
from fiftyone_kit import COLORS, H, W, detection, picture, prompts, truth
from PIL import ExifTags, Image
from training_data_kit import CONFIG, dataset_sources

from fiftyone_hs2s.dataset.train.training_data import read_pictures
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.training.data.clip import read_image, read_mask
from fiftyone_hs2s.training.data.pictures import PictureClips


@pytest.fixture
def images(dataset, tmp_path):
    """Four images with the masks of both squares, one without masks, one that is missing."""
    for number in range(1, 6):
        path = tmp_path / f"{number}.png"
        large = cv2.resize(picture(number), None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)
        cv2.imwrite(str(path), cv2.cvtColor(large, cv2.COLOR_RGB2BGR))
        masks = [np.kron(mask, np.ones((2, 2), bool)) for mask in truth(number).values()]
        found = [detection(mask, label="square") for mask in masks] if number < 5 else []
        dataset.add_sample(fo.Sample(filepath=str(path), instances=fo.Detections(detections=found)))
    dataset.add_sample(fo.Sample(filepath=str(tmp_path / "missing.png"), instances=prompts(1)))
    return dataset


def test_images_with_instance_masks(images, caplog):
    with caplog.at_level(logging.WARNING):
        pictures = read_pictures(images, "frames.instances")  # the prefix may be there
    assert [path.name for path, _ in pictures] == ["1.png", "2.png", "3.png", "4.png"]
    assert "missing.png" in caplog.text
    label_map = read_mask(pictures[2][1])
    for value, mask in enumerate(truth(3).values(), start=1):  # one label, two objects
        np.testing.assert_array_equal(label_map == value, np.kron(mask, np.ones((2, 2), bool)))


def test_images_are_turned_as_their_exif_says(dataset, tmp_path):
    photo = Image.fromarray(picture(1))
    exif = photo.getexif()
    exif[ExifTags.Base.Orientation] = 6
    photo.save(tmp_path / "a.jpg", exif=exif)
    shown = read_image(tmp_path / "a.jpg")
    assert shown.shape == (W, H, 3)
    red = (shown[..., 0] > 150) & (shown[..., 2] < 90)
    found = fo.Detections(detections=[detection(red, label="a")])
    dataset.add_sample(fo.Sample(filepath=str(tmp_path / "a.jpg"), gt=found))
    ((_, png),) = read_pictures(dataset, "gt")
    np.testing.assert_array_equal(read_mask(png) == 1, red)


def test_images_become_clips_of_one_moving_object(images):
    ((source, weight),) = dataset_sources(CONFIG, images, "instances")
    assert isinstance(source, PictureClips) and weight == 1
    source.occluder = 0
    rng = np.random.default_rng(0)
    drawn = [clip for _ in range(10) if (clip := source.sample(rng, 4, (64, 96))) is not None]
    assert len(drawn) >= 5
    moved = 0
    for clip in drawn:
        color = np.median(clip.frames[clip.masks == 1], axis=0)
        assert min(np.abs(color - COLORS[index]).mean() for index in COLORS) < 25
        moved += (clip.masks[0] != clip.masks[-1]).any()
    assert moved == len(drawn)


def test_images_without_masks(dataset, tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), picture(1))
    boxes = fo.Detections(detections=[fo.Detection(label="a", bounding_box=[0.1, 0.1, 0.5, 0.5])])
    dataset.add_sample(fo.Sample(filepath=str(tmp_path / "a.png"), boxes=boxes))
    with pytest.raises(HS2SError, match="No image has a mask in 'boxes'"):
        read_pictures(dataset, "boxes")
    with pytest.raises(HS2SError, match="no Detections field 'masks': choose one of boxes"):
        read_pictures(dataset, "masks")
