"""The model source by its URL alone, from an empty home: its repository brings the package."""

from __future__ import annotations

from install_kit import run, write_script

CODE = """
import pathlib, sys
from importlib.util import find_spec

def main():
    import fiftyone as fo
    import fiftyone.zoo as foz

    assert find_spec("fiftyone_hs2s") is None, "the package is installed"
    foz.register_zoo_model_source(sys.argv[1])
    model = foz.load_zoo_model("hs2s/hs2s-lite-open-video-torch", prompt_field="frames.start", size=(64, 96))
    import fiftyone_hs2s

    source = pathlib.Path(fo.config.model_zoo_dir, "hs2s", "hs2s")
    assert pathlib.Path(fiftyone_hs2s.__file__).is_relative_to(source / "repository")
    assert not list(source.glob(".hs2s-*")), "what was downloaded for it is gone"

    import numpy as np
    from fiftyone_hs2s.video_writer import write_video

    frames = [np.full((64, 96, 3), 40, np.uint8) for _ in range(4)]
    for index, frame in enumerate(frames):
        frame[20:44, 20 + index : 44 + index] = 220
    write_video("video.mp4", frames)
    sample = fo.Sample("video.mp4")
    sample.frames[1]["start"] = fo.Detections(
        detections=[fo.Detection.from_mask(frames[0][..., 0] > 100, label="square", index=1)]
    )
    dataset = fo.Dataset()
    dataset.add_sample(sample)
    dataset.apply_model(model, label_field="hs2s")
    masks = [len(found.detections) for found in dataset.values("frames.hs2s")[0]]
    assert masks == [1, 1, 1, 1], masks
    print("as it should be")

if __name__ == "__main__":
    main()
"""


def test_url_alone_gives_a_working_model(environment, home, url):
    assert "as it should be" in run(environment, home, "python", write_script(home, CODE), url)
