"""Two evaluations of one name, evaluations that were killed, and what others delete while one is made."""

from __future__ import annotations

import fiftyone as fo
import pytest
from evaluation_kit import labeled_sample
from test_deleted_meanwhile import another, assert_readable

from fiftyone_hs2s import HS2SError, evaluate_propagation
from fiftyone_hs2s.dataset.evaluate import evaluation_key, workers


def evaluate(samples, key="ev", **options):
    return evaluate_propagation(samples, "frames.pred", "frames.gt", key, **options)


def on_first(action):
    """A progress function that does something when the first sample was scored."""
    return lambda bar: action() if bar.iteration == 1 else None


@pytest.fixture
def two(scored_dataset, video):
    scored_dataset.add_sample(labeled_sample(video))
    return scored_dataset


def roots(dataset) -> set[str]:
    return {*dataset.get_field_schema(), *dataset.get_frame_field_schema()}


@pytest.mark.parametrize("before", [0, 1])
def test_second_of_a_name_is_refused(two, before):
    for _ in range(before):
        evaluate(two)
    refused = []

    def second() -> None:
        with pytest.raises(
            HS2SError, match=r"another run \(process .*\) works on the evaluation 'ev': wait"
        ) as error:
            evaluate(another(two))
        refused.append(error)
        evaluate(another(two), "other")

    results = evaluate(two, progress=on_first(second))
    assert len(refused) == 1
    two.reload()
    assert sorted(two.list_evaluations()) == ["ev", "other"]
    assert two.values("ev_JF") == two.values("other_JF") == [pytest.approx(results.JF)] * 2
    assert_readable(two)


def test_evaluation_that_another_process_made_is_replaced(two):
    stale = another(two)
    evaluate(two, protocol="all")
    evaluate(stale)
    assert another(two).list_evaluations() == ["ev"]
    assert another(two).get_evaluation_info("ev").config.protocol == "davis2017"
    assert_readable(two)


@pytest.mark.parametrize("before", [0, 1])
def test_next_evaluation_removes_what_a_killed_one_left(two, monkeypatch, before):
    for _ in range(before):
        evaluate(two)
    with monkeypatch.context() as patch:  # a killed process cleans nothing up
        patch.setattr(fo.Dataset, "delete_evaluation", lambda *_: None)
        patch.setattr(evaluation_key.Claim, "__exit__", lambda *_: None)
        patch.setattr("fiftyone_hs2s.dataset.claims.os.getpid", lambda: 2**22 + 1)
        with pytest.raises(KeyboardInterrupt):
            evaluate(two, progress=on_first(interrupt))
    assert len(two.list_evaluations()) == 1 + before
    evaluate(two)
    assert two.list_evaluations() == ["ev"]
    assert not [name for name in roots(two) if name.startswith("ev_") and len(name) > 20]
    two.delete_evaluation("ev")
    assert not [name for name in roots(two) if name.startswith("ev")]


def interrupt() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("rename", [False, True])
def test_evaluation_deleted_or_renamed_meanwhile(two, rename):
    other = another(two)

    def remove() -> None:
        other.reload()
        if rename:
            other.rename_evaluation("ev", "old")
        else:
            other.delete_evaluation("ev")

    with pytest.raises(HS2SError, match="the evaluation 'ev' was deleted or renamed while it was being made"):
        evaluate(two, progress=on_first(remove))
    assert_readable(two)
    two.reload()
    assert len(evaluate(two).objects) == 4
    assert_readable(two)


def test_sample_deleted_meanwhile(two, monkeypatch):
    first, second = two.values("id")
    score = workers.score_sequence

    def delete_the_other(sequence, *args, **options):
        if sequence.sample_id == first:
            another(two).delete_samples(second)
        return score(sequence, *args, **options)

    monkeypatch.setattr(workers, "score_sequence", delete_the_other)
    results = evaluate(two)
    assert {row["sample_id"] for row in results.objects} == {first}
    message = f"sample {second} of the dataset {two.name!r} was deleted in the meantime"
    assert results.problems == [{"sample_id": second, "message": message}]


def test_scored_sample_deleted_before_its_scores_are_written(two):
    first, _ = two.values("id")
    results = evaluate(two, progress=on_first(lambda: another(two).delete_samples(first)))
    assert len(results.objects) == 4
    assert another(two).values("ev_JF") == [pytest.approx(results.JF)]


def test_field_deleted_meanwhile(two):
    with pytest.raises(
        HS2SError, match=r"the field 'frames.pred' of the dataset .* was deleted in the meantime"
    ):
        evaluate(two, progress=on_first(lambda: another(two).delete_frame_field("pred")))
    assert_readable(two)
    assert not another(two).list_evaluations()


def test_dataset_deleted_meanwhile(video):
    dataset = fo.Dataset()
    dataset.add_samples([labeled_sample(video) for _ in range(2)])
    with pytest.raises(HS2SError, match=rf"the dataset '{dataset.name}' was deleted in the meantime"):
        evaluate(dataset, progress=on_first(lambda: fo.delete_dataset(dataset.name)))
