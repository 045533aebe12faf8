"""What a user has who installs the wheel into an empty environment."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import numpy as np
import pytest
import yaml
from fiftyone_kit import T, iou, prompted_sample, truth
from install_kit import REPO, make_environment, run, write_script

from fiftyone_hs2s import __version__
from fiftyone_hs2s.masks import read_label_map, write_label_map
from fiftyone_hs2s.network import load_network

pytest.importorskip("hatchling", reason="a wheel is built: pip install hatchling")

MANIFEST = yaml.safe_load((Path(__file__).parents[2] / "fiftyone.yml").read_text())
OPERATORS = {*MANIFEST["operators"], *MANIFEST["panels"]}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=REPO, check=True
    )
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def environment(tmp_path_factory, wheel) -> Path:
    return make_environment(tmp_path_factory.mktemp("environment"), wheel)


def test_what_is_in_it(wheel):
    with zipfile.ZipFile(wheel) as file:
        names = file.namelist()
        (metadata,) = (
            Parser().parsestr(file.read(n).decode()) for n in names if n.endswith(".dist-info/METADATA")
        )
        card = file.read("fiftyone_hs2s/weights/README.md").decode()
    assert {name.partition("/")[0] for name in names} == {
        "fiftyone_hs2s",
        f"fiftyone_hs2s-{__version__}.dist-info",
    }
    assert len(names) == len(set(names))
    for folder in (REPO / "training", REPO / "fiftyone_hs2s"):
        inside = [
            path.relative_to(folder.parent) for path in folder.rglob("*.py") if path.parent.name != "path"
        ]
        assert {
            str(Path("fiftyone_hs2s", path) if folder.name == "training" else path) for path in inside
        } <= {*names}
    assert {
        f"fiftyone_hs2s/training/configs/{path.name}" for path in (REPO / "training/configs").iterdir()
    } <= {*names}
    research, everyone = ("hs2s-lite.safetensors", "LICENSE"), ("hs2s-lite-open.safetensors", "LICENSE-open")
    weights = {*research, *everyone, "README.md", "hs2s-lite-open.md"}
    assert {f"fiftyone_hs2s/weights/{name}" for name in weights} <= {*names}
    assert card.startswith("# Model card: hs2s-lite")
    assert metadata["License-Expression"] == "Apache-2.0 AND CC-BY-4.0 AND LicenseRef-hs2s-weights"
    assert metadata.get_all("License-File") == [
        "LICENSE",
        "model_zoo/weights/LICENSE",
        "model_zoo/weights/LICENSE-open",
    ]
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]


def test_hs2s_track(environment, home, video):
    first = np.zeros((64, 96), np.uint8)
    for index, mask in truth(1).items():
        first[mask] = index + 1
    write_label_map(home / "first.png", first)
    run(environment, home, "hs2s", "track", video, "--mask", "first.png", "--out", "masks", "--size", "64x96")
    masks = sorted((home / "masks").rglob("*.png"))
    assert len(masks) == T
    last = read_label_map(masks[-1])
    assert all(iou(last == index + 1, mask) > 0.5 for index, mask in truth(T).items())


def test_hs2s_train(environment, home, dataset, video):
    dataset.add_sample(prompted_sample(video, "gt"))
    stages = "stages=[{steps: 2, size: [64, 96], length: 2, batch: 1}]"
    command = [
        "train",
        "--config",
        "tiny",
        "--dataset",
        dataset.name,
        "--gt-field",
        "frames.gt",
        "--run",
        "run",
    ]
    said = run(environment, home, "hs2s", *command, "--set", stages, "--workers", 0)
    assert "weights: run/weights.safetensors" in said
    assert load_network("hs2s-lite", home / "run/weights.safetensors").config.name == "hs2s-lite"


def test_plugin_and_weights_are_found_and_nothing_else(environment, home):
    code = f"""
import pathlib, sys
from importlib.util import find_spec
import fiftyone.operators as foo
from fiftyone.plugins.context import build_plugin_contexts
(context,) = (c for c in build_plugin_contexts() if c.name == "@hs2s/hs2s")
assert context.errors == [], context.errors
assert {{instance.name for instance in context.instances}} == {OPERATORS}
assert "torch" not in sys.modules, "listing operators takes no torch"
import fiftyone_hs2s
here = pathlib.Path({str(environment)!r})
for name in ("fiftyone_hs2s", "fiftyone_hs2s.training.api", "fiftyone_hs2s.training.synthetic"):
    assert pathlib.Path(find_spec(name).origin).is_relative_to(here), find_spec(name)
assert fiftyone_hs2s.default_weights("hs2s-lite").is_relative_to(here)
for name in ("training", "model_zoo", "tests", "benchmarks", "tools", "docs"):
    found = find_spec(name)
    assert found is None or not str(found.origin).startswith(str(here)), found
print("as it should be")
"""
    link = home / "fiftyone" / "__plugins__" / "hs2s"
    assert f"@hs2s/hs2s: {link}" in run(environment, home, "hs2s", "plugin", "install")
    assert (link / "assets" / "icon-light.svg").is_file()
    assert "as it should be" in run(environment, home, "python", write_script(home, code))
