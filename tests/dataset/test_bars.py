"""Bars of work on datasets: drawn if asked for, and ended however the work ends."""

from __future__ import annotations

import re
import sys
from contextlib import contextmanager

import fiftyone as fo
import pytest
from evaluation_kit import labeled_sample
from fiftyone_kit import color_model, prompted_sample, prompts

from fiftyone_hs2s import (
    HS2SError,
    analyze,
    evaluate_propagation,
    find_failures,
    finetune,
    import_sequences,
    propagate,
)


@pytest.fixture
def one_bar(capsys):
    """A context in which one bar is drawn, up to a text, and its line ended."""

    @contextmanager
    def check(last: str):
        yield
        drawn = capsys.readouterr().err
        assert re.search(rf"%\|.*\| {last} \[[^\r\n]*\] *\n$", drawn), drawn
        assert drawn.count("\n") == 1

    return check


def breaking(error: BaseException):
    """A model whose tracking ends with an error after some frames."""
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


@pytest.mark.parametrize("shown", [True, False])
def test_fiftyones_setting_holds(two, monkeypatch, capsys, shown):
    monkeypatch.setattr(fo.config, "show_progress_bars", shown)
    propagate(two, color_model(), prompt_field="gt", label_field="pred")
    assert ("2 of 2 samples" in capsys.readouterr().err) is shown


def test_success(two, one_bar):
    with one_bar("2 of 2 samples"):
        assert str(run(two, color_model())) == "2 tracked"


def test_every_sample_fails_half_way(two, one_bar):
    with one_bar("2 of 2 samples"):
        assert len(run(two, breaking(HS2SError("no more"))).failed) == 2


@pytest.mark.parametrize("error", [HS2SError, ValueError, KeyboardInterrupt])
def test_an_error_ends_the_run(two, one_bar, error):
    with one_bar("Sample 1 of 2: 4 of 12 frames"), pytest.raises(error):
        run(two, breaking(error("no more")), skip_failures=False)


def test_a_video_that_breaks_off(dataset, broken_video, one_bar):
    sample = fo.Sample(filepath=str(broken_video))
    sample.frames[1]["gt"] = prompts(1)
    dataset.add_sample(sample)
    with one_bar("1 of 1 sample"):
        assert str(run(dataset, color_model())) == "1 incomplete"


def test_a_video_longer_than_announced(two, one_bar, monkeypatch):
    """Further steps than the bar's total are no error."""
    monkeypatch.setattr("fiftyone_hs2s.tracking.propagation._count_steps", lambda *_: 4)
    with one_bar("2 of 2 samples"):
        assert str(run(two, color_model())) == "2 tracked"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize(
    ("call", "broken", "last"),
    [
        (find_failures, "diagnose.find_failures.find_events", "0 of 2 samples"),
        (evaluate_propagation, "evaluate.workers.score_sequence", "0 of 2 samples"),
        (analyze, "diagnose.series.score_sequence", "0 of 2 samples"),
    ],
)
def test_scores_that_are_broken_off(scored_dataset, video, monkeypatch, one_bar, error, call, broken, last):
    def fail(*_, **__):
        raise error("no more")

    scored_dataset.add_sample(labeled_sample(video))
    module, _, name = broken.rpartition(".")
    monkeypatch.setattr(sys.modules[f"fiftyone_hs2s.dataset.{module}"], name, fail)
    with one_bar(last), pytest.raises(error):
        call(scored_dataset, "pred", "gt", progress=True)


def test_an_import_that_fails(tmp_path, one_bar):
    for part in ("JPEGImages", "Annotations"):
        (tmp_path / part / "clip").mkdir(parents=True)
    (tmp_path / "Annotations" / "clip" / "00000.png").touch()
    with one_bar("1 of 1 sequence"), pytest.raises(HS2SError):
        import_sequences(tmp_path, progress=True)


CONFIG = (
    "{model: hs2s-lite, init: shipped, warmup: 1, stages: [{steps: 3, size: [64, 96], length: 2, batch: 1}]}"
)


@pytest.mark.parametrize("error", [None, HS2SError, KeyboardInterrupt])
def test_fine_tuning(two, tmp_path, monkeypatch, one_bar, error):
    monkeypatch.setenv("HS2S_MODELS", str(tmp_path / "models"))
    (tmp_path / "config.yaml").write_text(CONFIG)
    watch = sys.modules["fiftyone_hs2s.dataset.train.finetune"]._Watch
    note = watch.__call__

    def broken(self, event):
        note(self, event)
        if error and event.iteration == 2:
            raise error("no more")

    monkeypatch.setattr(watch, "__call__", broken)
    arguments = (two, "gt", "mine", tmp_path / "config.yaml")
    with one_bar(rf"{2 if error else 3} of 3 steps, loss \d\.\d+, \d\.\d minutes left"):
        if error is None:
            assert finetune(*arguments, progress=True).steps == 3
        else:
            with pytest.raises(error):
                finetune(*arguments, progress=True)
