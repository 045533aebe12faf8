from __future__ import annotations

import fiftyone.operators as foo
import numpy as np
import pytest
from export_kit import hard_sample, label_map
from fiftyone.operators.executor import ExecutionContext
from PIL import Image

from fiftyone_hs2s.dataset.export.export_tracks import FORMATS
from fiftyone_hs2s.plugin.export_operator import _FORMATS

pytestmark = pytest.mark.usefixtures("plugin")
URI = "@hs2s/hs2s/export_tracks"


@pytest.fixture
def hard(dataset, video):
    dataset.add_sample(hard_sample(video, sequence="walk"))
    return dataset


def form(dataset, **params):
    context = {"params": params, "dataset_name": dataset.name}
    return foo.get_operator(URI).resolve_input(ExecutionContext(context, operator_uri=URI)).type.properties


def test_form_has_what_the_format_takes(hard):
    properties = form(hard)
    assert properties["label_field"].default == "frames.pred"
    assert properties["format"].type.values == list(FORMATS) == list(_FORMATS)
    assert {"export_media", "every", "overwrite"} <= properties.keys()
    assert "like" not in properties
    server = form(hard, format="davis2017-zip")
    assert "like" in server
    assert "export_media" not in server
    refused = form(hard, export_dir="some/folder")["refusal"]
    assert "is not absolute" in refused.view.to_json()["label"]


def test_it_exports_and_says_what_one_should_know(hard, tmp_path):
    operator = foo.get_operator(URI)
    result = operator(hard, "pred", tmp_path / "out", "davis", every=5)
    files = sorted((tmp_path / "out" / "Annotations" / "480p" / "walk").iterdir())
    assert [file.name for file in files] == ["00000.png", "00005.png", "00010.png"]
    np.testing.assert_array_equal(np.array(Image.open(files[1])), label_map(6))
    shown = [request.params for request in result.executor._requests]
    assert "overlap on 1 frame," in str(shown)
    assert "1 sequence, 3 frames" in str(shown)
    with pytest.raises(Exception, match="exists already"):
        operator(hard, "pred", tmp_path / "out", "davis")
