from __future__ import annotations

import fiftyone.core.models as fom
import pytest

import fiftyone_hs2s
from fiftyone_hs2s import HS2SError, load_model
from fiftyone_hs2s.network import build_network, default_weights, save_weights


def test_load_model(tmp_path):
    path = tmp_path / "random.safetensors"
    save_weights(build_network("hs2s-lite"), path, half=True)
    model = load_model(
        "hs2s-lite-video-torch",
        path,
        size=(64, 96),
        device="cpu",
        direction="both",
        prompt_frames="all",
        prompt_field="f",
        reset_period=9,
    )
    assert isinstance(model, fom.Model)
    assert isinstance(model, fom.SamplesMixin)
    assert (model.media_type, model.direction, model.prompt_frames) == ("video", "both", "all")
    assert model.tracker.size == (64, 96)
    assert model.tracker.network.config.reset_period == 9
    with model:
        pass
    for name in ("hs2s-lite", "hs2s/hs2s-lite-video-torch"):
        assert load_model(name, path, device="cpu").tracker.network.config.name == "hs2s-lite"


def test_load_model_with_the_shipped_weights():
    if default_weights("hs2s-lite") is None:
        pytest.skip("model_zoo/weights/hs2s-lite.safetensors is not there")
    assert load_model(device="cpu").tracker.network.config.name == "hs2s-lite"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "hs2s-light-video-torch"}, "hs2s-lite"),
        ({"weights": "gone.safetensors"}, r"gone\.safetensors"),
        ({"name": "hs2s-resnet50-video-torch"}, "hs2s weights convert"),
        ({"direction": "up"}, "direction='up' is unknown: choose one of forward, backward, both"),
        ({"prompt_frames": "last"}, "prompt_frames='last' is unknown: choose one of first, all"),
    ],
)
def test_load_model_refuses(arguments, message, monkeypatch):
    if not {"weights", "name"} & arguments.keys():
        monkeypatch.setattr(
            "fiftyone_hs2s.dataset.propagate.model.load_network", lambda name, *_: build_network(name)
        )
    with pytest.raises(HS2SError, match=message):
        load_model(**arguments)


def test_damaged_weights_are_named(tmp_path):
    path = tmp_path / "damaged.safetensors"
    path.write_bytes(b"no weights" * 10)
    with pytest.raises(HS2SError, match=r"damaged\.safetensors"):
        load_model(weights=path)


def test_public_face_is_lazy():
    assert {"load_model", "propagate", "HS2SError"} <= set(dir(fiftyone_hs2s))
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        fiftyone_hs2s.nothing  # noqa: B018
