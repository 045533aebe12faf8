"""FiftyOne's progress bar keeps ``sys.stdout`` to itself until it is closed: after any run a user's print() works."""

from __future__ import annotations

import sys
from contextlib import contextmanager

import fiftyone as fo
import pytest
from evaluation_kit import labeled_sample
from fiftyone_kit import color_model, prompted_sample, prompts

from fiftyone_hs2s import HS2SError, analyze, evaluate_propagation, find_failures, finetune, import_davis, propagate


@contextmanager
def stdout_is_left_alone():
    before = sys.stdout
    try:
        yield
    finally:
        assert sys.stdout is before


class Breaking:
    """A model whose tracking ends with an error after some frames."""

    def __new__(cls, error):
        model = color_model()
        track = model.track

        def broken(*args):
            for count, found in enumerate(track(*args)):
                if count == 3:
                    raise error
                yield found

        model.track = broken
        return model


def run(dataset, model, **options):
    return propagate(dataset, model, prompt_field="gt", label_field="pred", progress=True, **options)


@pytest.fixture
def two(dataset, video):
    for _ in range(2):
        dataset.add_sample(prompted_sample(video, "gt"))
    return dataset


@stdout_is_left_alone()
def test_success(two):
    assert str(run(two, color_model())) == "2 tracked"


@stdout_is_left_alone()
def test_every_sample_fails_half_way(two):
    assert len(run(two, Breaking(HS2SError("no more"))).failed) == 2


@pytest.mark.parametrize("error", [HS2SError, ValueError, KeyboardInterrupt])
@stdout_is_left_alone()
def test_an_error_ends_the_run(two, error):
    with pytest.raises(error):
        run(two, Breaking(error("no more")), skip_failures=False)


@stdout_is_left_alone()
def test_a_video_that_breaks_off(dataset, broken_video):
    sample = fo.Sample(filepath=str(broken_video))
    sample.frames[1]["gt"] = prompts(1)
    dataset.add_sample(sample)
    assert run(dataset, color_model()).incomplete


@stdout_is_left_alone()
def test_a_video_longer_than_announced(two, monkeypatch):
    """Further steps than the bar's total are no error."""
    monkeypatch.setattr("fiftyone_hs2s.tracking.propagation._count_steps", lambda *_: 4)
    assert str(run(two, color_model())) == "2 tracked"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@stdout_is_left_alone()
def test_scores_that_are_broken_off(scored_dataset, video, monkeypatch, error):
    def broken(*_, **__):
        raise error("no more")

    scored_dataset.add_sample(labeled_sample(video))
    module = sys.modules["fiftyone_hs2s.dataset.diagnose.find_failures"]
    monkeypatch.setattr(module, "find_events", broken)
    with stdout_is_left_alone(), pytest.raises(error):
        find_failures(scored_dataset, "pred", "gt", progress=True)
    for name, call in (("workers", evaluate_propagation), ("series", analyze)):
        monkeypatch.setattr(sys.modules[f"fiftyone_hs2s.dataset.{name}"], "score_piece", broken)
        with pytest.raises(error):
            call(scored_dataset, "pred", "gt", progress=True)


@stdout_is_left_alone()
def test_an_import_that_fails(tmp_path):
    for part in ("JPEGImages", "Annotations"):
        (tmp_path / part / "clip").mkdir(parents=True)
    (tmp_path / "Annotations" / "clip" / "00000.png").touch()
    with pytest.raises(HS2SError):
        import_davis(tmp_path, progress=True)


CONFIG = "{model: hs2s-lite, init: shipped, warmup: 1, stages: [{steps: 3, size: [64, 96], length: 2, batch: 1}]}"


@pytest.mark.parametrize("error", [None, HS2SError, KeyboardInterrupt])
@stdout_is_left_alone()
def test_fine_tuning(two, tmp_path, monkeypatch, error):
    monkeypatch.setenv("HS2S_MODELS", str(tmp_path / "models"))
    (tmp_path / "config.yaml").write_text(CONFIG)
    module = sys.modules["fiftyone_hs2s.dataset.train.finetune"]
    draw = module._Watch._draw

    def broken(watch, event):
        draw(watch, event)
        if error and event.step == 2:
            raise error("no more")

    monkeypatch.setattr(module._Watch, "_draw", broken)
    arguments = (two, "gt", "mine", tmp_path / "config.yaml")
    if error is None:
        assert finetune(*arguments, progress=True).steps == 3
        return
    with pytest.raises(error):
        finetune(*arguments, progress=True)
