from __future__ import annotations

import fiftyone as fo
import pytest
from evaluate_kit import all_paths, evaluate
from evaluation_kit import labeled_sample, labels, true_labels
from fiftyone_kit import detection, truth

from fiftyone_hs2s import HS2SError


def test_identity_not_overlap_decides(dataset, video):
    def swapped(number: int) -> fo.Detections:
        masks = truth(number)
        return labels({0: masks[1], 1: masks[0]})

    dataset.add_sample(labeled_sample(video, pred=swapped))
    assert evaluate(dataset).J < 0.1


@pytest.mark.parametrize("kind", ["instance", "index", "label"])
def test_each_kind_of_identity(dataset, video, kind):
    instances = {0: fo.Instance(), 1: fo.Instance()}

    def identified(number: int, indices: dict[int, int], reverse: bool = False) -> fo.Detections:
        found = []
        for i, mask in truth(number).items():
            one = detection(mask, label=f"square {i}" if kind == "label" else "square")
            if kind != "label":
                one.index = indices[i]
            if kind == "instance":
                one.instance = instances[i]
            found.append(one)
        return fo.Detections(detections=found[::-1] if reverse else found)

    other = {0: 1, 1: 0} if kind == "instance" else {0: 0, 1: 1}  # the instance counts, whatever the index
    same = {0: 0, 1: 1}
    sample = labeled_sample(
        video, lambda n: identified(n, same), lambda n: identified(n, other, reverse=True)
    )
    dataset.add_sample(sample)
    results = evaluate(dataset)
    assert results.J == 1
    assert not results.problems


def test_indistinguishable_objects_are_refused(dataset, video):
    def bare(number: int) -> fo.Detections:
        return fo.Detections(detections=[detection(mask, label="square") for mask in truth(number).values()])

    dataset.add_sample(labeled_sample(video, bare, bare))
    with pytest.raises(HS2SError, match="frame 1 have only the label 'square': set their `index`"):
        evaluate(dataset)
    assert not dataset.list_evaluations()
    assert not [path for path in all_paths(dataset) if "ev" in path]


def test_extra_and_unmatched_objects_are_noted(dataset, video):
    dataset.add_sample(labeled_sample(video, pred=lambda number: labels({7: truth(number)[0]})))
    results = evaluate(dataset)
    assert results.J == 0
    messages = " ".join(problem["message"] for problem in results.problems)
    assert "no predicted object has the instance, index or label of a true one" in messages
    assert "object square 7 predicted but not in the truth: ignored" in messages


def test_names_have_the_index_once(dataset, video):
    def renamed(number):
        found = true_labels(number)
        for d in found.detections:
            d.label = "square" if d.index else "square 0"
        return found

    dataset.add_sample(labeled_sample(video, gt=renamed, pred=renamed))
    assert [row["name"] for row in evaluate(dataset).objects] == ["square 0", "square 1"]
