"""Models by name: where they lie, which names can be, and that a half-written one is never there."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fiftyone_hs2s import registry
from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.registry import check_folder, check_name, find_model, list_models, models_folder, store


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """A folder of models that is not there yet."""
    monkeypatch.setenv("HS2S_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture
def weights(tmp_path) -> Path:
    path = tmp_path / "trained.safetensors"
    path.write_bytes(b"weights")
    return path


def test_the_folder_lies_beside_fiftyone_s_settings(monkeypatch, folder):
    assert models_folder() == folder
    monkeypatch.delenv("HS2S_MODELS")
    monkeypatch.setenv("FIFTYONE_CONFIG_PATH", "/somewhere/config.json")
    assert models_folder() == Path("/somewhere/hs2s/models")
    monkeypatch.delenv("FIFTYONE_CONFIG_PATH")
    assert models_folder() == Path.home() / ".fiftyone/hs2s/models"


def test_store_find_list(folder, weights):
    assert list_models() == {} and find_model("cells") is None
    path = store("cells", weights)
    assert path == folder / "cells.safetensors" and path.read_bytes() == b"weights"
    store("bees.v2", weights)
    assert list_models() == {"bees.v2": folder / "bees.v2.safetensors", "cells": path}
    assert find_model("cells") == path and find_model("Cells2") is None
    assert sorted(file.name for file in folder.iterdir()) == ["bees.v2.safetensors", "cells.safetensors"]


def test_a_taken_name_is_refused_unless_it_may_be_overwritten(weights):
    store("cells", weights)
    weights.write_bytes(b"others")
    with pytest.raises(
        HS2SError, match="there is a model 'cells' already: choose another name, or choose to overwrite it"
    ):
        store("cells", weights)
    assert find_model("cells").read_bytes() == b"weights"
    assert store("cells", weights, overwrite=True).read_bytes() == b"others"


@pytest.mark.parametrize(
    "name", ["hs2s-lite", "hs2s-resnet50", "hs2s-lite-video-torch", "s2s-lite", "HS2S-Lite"]
)
def test_built_in_names_are_refused(name):
    with pytest.raises(HS2SError, match=f"{name}' is a built-in model: choose another name"):
        check_name(name, overwrite=True)


@pytest.mark.parametrize(
    "name", ["", "a b", "a/b", "../a", ".a", "-a", "a\n", "ä", "x" * 101, "cells-video-torch", "a\\b"]
)
def test_names_that_cannot_be_are_refused(name, folder):
    with pytest.raises(HS2SError, match="cannot name a model: use letters"):
        check_name(name)
    assert find_model(name) is None
    assert check_name("A1_b-c.d") == "A1_b-c.d"


def test_files_that_are_no_models_are_passed_over(folder, weights):
    folder.mkdir()
    for name in ("hs2s-lite.safetensors", "a b.safetensors", ".cells.safetensors.1.part", "notes.txt"):
        shutil.copy(weights, folder / name)
    assert list_models() == {} and find_model("hs2s-lite") is None


def test_a_copy_that_breaks_off_leaves_nothing(folder, weights, monkeypatch):
    store("cells", weights)

    def break_off(source, target):
        Path(target).write_bytes(b"we")
        raise OSError("No space left on device")

    monkeypatch.setattr(registry.shutil, "copyfile", break_off)
    for name in ("cells", "bees"):
        with pytest.raises(
            HS2SError, match=r"cannot be written \(No space left on device\); set HS2S_MODELS"
        ):
            store(name, weights, overwrite=True)
    assert [file.name for file in folder.iterdir()] == ["cells.safetensors"]
    assert find_model("cells").read_bytes() == b"weights"


def test_a_folder_that_cannot_be_made_is_said(folder, weights):
    folder.write_bytes(b"a file")
    for attempt in (check_folder, lambda: store("cells", weights)):
        with pytest.raises(HS2SError, match="set HS2S_MODELS"):
            attempt()
    folder.unlink()
    check_folder()
    assert folder.is_dir() and not any(folder.iterdir())
