from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import fiftyone as fo
import fiftyone.zoo as foz
import pytest
from fiftyone.operators.executor import ExecutionContext
from fiftyone_kit import T, found, truth

from fiftyone_hs2s import HS2SError
from fiftyone_hs2s.dataset.propagate.model import HS2SVideoModel
from fiftyone_hs2s.models import shipped_models
from fiftyone_hs2s.network import available_models, build_network, save_weights

ZOO = Path(__file__).resolve().parents[2] / "model_zoo"
LITE, RESNET50 = "hs2s/hs2s-lite-video-torch", "hs2s/hs2s-resnet50-video-torch"


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    """Weights of the right form; how well they track doesn't matter here."""
    path = tmp_path_factory.mktemp("weights") / "hs2s-lite.safetensors"
    save_weights(build_network("hs2s-lite"), path, half=True)
    return path


@pytest.fixture(scope="module")
def source(tmp_path_factory, weights):
    """The folder as a downloaded repository: in a zip file, on a web server of this machine."""
    root = tmp_path_factory.mktemp("zoo")
    copy = root / "repository" / "model_zoo"
    shutil.copytree(ZOO, copy, ignore=shutil.ignore_patterns("weights", "__pycache__", "*.safetensors"))
    (copy / "weights").mkdir()
    shutil.copy(weights, copy / "weights")
    shutil.make_archive(str(root / "hs2s"), "zip", root / "repository")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=root))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/hs2s.zip"
    foz.register_zoo_model_source(url)
    yield url
    foz.delete_zoo_model_source(url)
    server.shutdown()
    server.server_close()


def load(name, **options):
    return foz.load_zoo_model(name, cache=False, error_level=_error_level(), **options)


def _error_level() -> int:
    """Requirements hold where the package is installed; a plain checkout on the path is not."""
    try:
        version("fiftyone-hs2s")
    except PackageNotFoundError:
        return 2
    return 0


def test_manifest_and_networks_agree():
    manifest = json.loads((ZOO / "manifest.json").read_text())
    names = {
        model["base_name"].removeprefix("hs2s/").removesuffix("-video-torch") for model in manifest["models"]
    }
    assert names == {*shipped_models(), "hs2s-resnet50"} <= set(available_models())
    for model in manifest["models"]:
        assert {"segmentation", "video", "torch"} <= set(model["tags"])


def test_lite_from_the_zoo(source, dataset, sample, weights):
    assert source in foz.list_zoo_model_sources()
    assert {LITE, RESNET50} <= set(foz.list_zoo_models())
    model = load(LITE, size=(64, 96), device="cpu", prompt_field="frames.gt", direction="both")
    assert isinstance(model, HS2SVideoModel)
    assert foz.find_zoo_model(LITE) == str(Path(fo.config.model_zoo_dir) / "hs2s/hs2s/hs2s-lite.safetensors")
    assert Path(foz.find_zoo_model(LITE)).read_bytes() == weights.read_bytes()
    dataset.apply_model(model, label_field="pred", skip_failures=False)
    sample.reload()
    results = found(sample)
    assert sorted(results) == list(range(1, T + 1))
    for index, mask in truth(4).items():
        assert (results[4][index] == mask).all()


def test_contract_of_the_apps_zoo_operator(source, dataset, sample):
    """It shows the form, parses the parameters, loads, and applies the model without a prompt field."""
    zoo_model = foz.get_zoo_model(LITE)
    ctx = ExecutionContext({"dataset_name": dataset.name, "params": {}})
    form = zoo_model.resolve_input(ctx).type.properties
    assert form["prompt_field"].type.values == ["frames.gt"]
    offered = ("prompt_field", "direction", "prompt_frames", "mask_maker", "advanced", "average", "adapt")
    assert set(form) == {*offered, "device", "precision", "size", "runtime"}
    params = {
        "prompt_field": "frames.gt",
        "direction": "backward",
        "prompt_frames": None,
        "mask_maker": "none",
        "average": "flip",
        "adapt": 0,
        "size": "128x224",
        "runtime": "torch",
    }
    zoo_model.parse_parameters(ctx, params)
    model = load(LITE, **params)
    assert model.tracker.size == (128, 224) and model.tracker.average == "flip" and model.mask_maker is None
    dataset.apply_model(model, label_field="pred", skip_failures=False)
    sample.reload()
    assert sorted(found(sample)) == [1, 2, 3, 4]


def test_form_refuses_images(source, dataset, tmp_path):
    dataset.add_sample(fo.Sample(filepath=str(tmp_path / "image.png")))
    ctx = ExecutionContext({"dataset_name": dataset.name, "params": {}})
    assert foz.get_zoo_model(LITE).resolve_input(ctx).type.properties["refusal"].invalid


def test_resnet50_says_how_to_get_its_weights(source, dataset, sample):
    ctx = ExecutionContext({"dataset_name": dataset.name, "params": {}})
    assert foz.get_zoo_model(RESNET50).resolve_input(ctx).type.properties["weights"].required
    with pytest.raises(
        HS2SError, match=r"convert the released checkpoint with `hs2s weights convert IN\.pth OUT"
    ):
        load(RESNET50)
    with pytest.raises(HS2SError, match=r"gone\.safetensors"):
        load(RESNET50, weights="gone.safetensors")


def test_without_the_package_it_says_how_to_install(tmp_path):
    """A folder that was copied by hand, and a source whose repository is gone: the URL is named."""
    source = tmp_path / "zoo"
    shutil.copytree(ZOO, source, ignore=shutil.ignore_patterns("weights", "__pycache__"))
    for url in (None, "http://127.0.0.1:9/hs2s.zip"):
        manifest = json.loads((source / "manifest.json").read_text())
        (source / "manifest.json").write_text(json.dumps({**manifest, "url": url}))
        code = "import sys; from importlib import util; util.find_spec = lambda name: None; import zoo"
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        said = done.stderr.splitlines()[-1]
        assert f"need the package fiftyone-hs2s, which {url or 'a folder without a URL'} did not give" in said
        assert "install it with `pip install`" in said
        assert sorted(path.name for path in source.iterdir() if path.name.startswith(("rep", ".hs2s"))) == []


def test_it_requires_what_the_package_does():
    """FiftyOne brings itself; it looks for what else the package needs, and can install it."""
    project = (ZOO.parent / "pyproject.toml").read_text()
    listed = project.split("\ndependencies = [")[1].split("]")[0]
    dependencies = [name for name in re.findall(r'^  "(.+?)"', listed, re.M) if "fiftyone" not in name]
    for model in json.loads((ZOO / "manifest.json").read_text())["models"]:
        assert model["requirements"]["packages"] == dependencies


def test_missing_weights_are_named(source, tmp_path, monkeypatch):
    module = sys.modules["hs2s.hs2s"]
    monkeypatch.setattr(module, "__file__", str(tmp_path / "__init__.py"))
    monkeypatch.setattr("fiftyone_hs2s.network.default_weights", lambda name: None)
    with pytest.raises(HS2SError, match=r"hs2s-lite\.safetensors of .* are missing"):
        module.download_model(LITE, str(tmp_path / "hs2s-lite.safetensors"))
    assert not list(tmp_path.iterdir())
