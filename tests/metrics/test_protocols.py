# ruff: noqa: SIM300 (J and F look like constants to it)
from __future__ import annotations

import numpy as np
import pytest
from metric_reference import reference_f, reference_j

from fiftyone_hs2s.errors import HS2SError
from fiftyone_hs2s.masks import list_label_maps, object_ids, read_label_map
from fiftyone_hs2s.metrics import PROTOCOLS, SequenceScorer, get_protocol, summarize
from fiftyone_hs2s.metrics.protocols import counted_prompts, frame_statistics


def sequence_of(*frames, protocol="davis2017", size=(4, 8)):
    """Scores of frames given as (truth, prediction) in letters: each string is one row of ids, shown on
    every row."""
    options = PROTOCOLS[protocol]
    scorer = SequenceScorer(options.exclude_void, options.merge_objects)
    for pair in frames:
        maps = [
            np.tile(np.array([int(c) if c != "v" else 255 for c in row], np.uint8), (size[0], 1))
            for row in pair
        ]
        scorer.update(*maps)
    return scorer.finish()


def plain_statistics(values):
    """What db_statistics of the DAVIS code computes, written down plainly for clips of up to 255 frames."""
    n = len(values)
    edges = [int(np.round(1 + k * (n - 1) / 4 + 1e-10)) - 1 for k in range(5)]
    first, last = values[edges[0] : edges[1] + 1], values[edges[3] : edges[4] + 1]
    return np.mean(values), np.mean([v > 0.5 for v in values]), np.mean(first) - np.mean(last)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 9, 50, 255])
def test_statistics(n):
    values = np.random.default_rng(n).random(n)
    result = frame_statistics(values)
    assert (result.mean, result.recall, result.decay) == pytest.approx(plain_statistics(values))


def test_decay_of_long_clips():
    assert frame_statistics(np.linspace(1, 0, 1001)).decay == pytest.approx(0.75, abs=1e-3)


def test_davis2017_on_real_masks_as_written_down(shared_data):
    """The whole protocol on 7 objects, against a plain loop over all of it."""
    folder = shared_data / "data/video/DAVIS2017-schoolgirls/Annotations/schoolgirls"
    maps = [read_label_map(file) for file in list(list_label_maps(folder).values())[:24:4]]
    predictions = [np.roll(m, (2, 3), (0, 1)) for m in maps]
    predictions[3][predictions[3] == 2] = 0
    scorer = SequenceScorer()
    for pair in zip(maps, predictions, strict=True):
        scorer.update(*pair)
    result = summarize({"girls": scorer.finish()})

    js, fs = [], []
    for i in range(1, max(object_ids(maps[0])) + 1):
        pairs = [(t == i, p == i) for t, p in zip(maps[1:-1], predictions[1:-1], strict=True)]
        js.append([reference_j(*pair) for pair in pairs])
        fs.append([reference_f(*pair) for pair in pairs])
        found = result.sequences["girls"].objects[i]
        np.testing.assert_allclose(found.J_frames, js[-1], atol=1e-9)
        np.testing.assert_allclose(found.F_frames, fs[-1], atol=1e-9)
        assert (found.J.mean, found.J.recall, found.J.decay) == pytest.approx(
            plain_statistics(js[-1]), abs=1e-9
        )
    assert result.J == pytest.approx(np.mean(js), abs=1e-9)
    assert result.F == pytest.approx(np.mean(fs), abs=1e-9)
    assert result.JF == pytest.approx((np.mean(js) + np.mean(fs)) / 2, abs=1e-9)
    assert result.F_statistics.decay == pytest.approx(np.mean([plain_statistics(f)[2] for f in fs]), abs=1e-9)


SEQUENCE = [  # object 1 in front, object 2 comes second and leaves, 3 is never true
    ("11000000", "00000000"),
    ("11110022", "11000022"),
    ("11110022", "11110022"),
    ("11110000", "11113300"),
    ("11110000", "00000000"),
]


@pytest.mark.parametrize(
    ("protocol", "expected"),
    [
        ("davis2016", {1: [4 / 6, 1, 4 / 6]}),
        ("davis2017", {1: [0.5, 1, 1]}),
        ("youtube-vos", {1: [0.5, 1, 1, 0], 2: [1, 1, 1]}),
        ("all", {1: [0, 0.5, 1, 1, 0], 2: [1, 1, 1, 1, 1]}),
    ],
)
def test_what_counts(protocol, expected):
    result = summarize({"s": sequence_of(*SEQUENCE, protocol=protocol)}, protocol)
    objects = result.sequences["s"].objects
    assert {i: o.J_frames.tolist() for i, o in objects.items()} == expected
    assert result.J == pytest.approx(np.mean([np.mean(values) for values in expected.values()]))
    kinds = {problem.kind for problem in result.problems}
    assert kinds == {"davis2016": set(), "davis2017": {"extra-id", "late-object"}}.get(protocol, {"extra-id"})


def test_mean_over_objects_not_sequences():
    good, bad = ("12000000", "12000000"), ("10000000", "01000000")
    result = summarize({"a": sequence_of(*[good] * 3), "b": sequence_of(*[bad] * 3)})
    assert result.J == pytest.approx(2 / 3)
    assert result.sequences["b"].J == 0


def test_object_between_ids_that_never_shows_is_no_object():
    result = summarize({"a": sequence_of(*[("13000000", "13000000")] * 3)})
    assert list(result.sequences["a"].objects) == [1, 3]


def test_object_below_the_highest_first_id_counts_from_the_start():
    """As the official code: ids 1 to the highest of the first frame, also while they are not yet there."""
    frames = [
        ("13000000", "13000000"),
        ("13000000", "13200000"),
        ("13200000", "13200000"),
        ("13200000", "13200000"),
    ]
    assert summarize({"a": sequence_of(*frames)}).sequences["a"].objects[2].J_frames.tolist() == [0, 1]


def test_void_by_protocol():
    frames = [("11vv0000", "11110000")] * 3
    results = {name: summarize({"s": sequence_of(*frames, protocol=name)}, name).J for name in PROTOCOLS}
    assert results == {"davis2016": 0.5, "davis2017": 0.5, "youtube-vos": 1, "appearance": 0.5, "all": 1}


def test_seen_and_unseen():
    frames = [("12300000", "12000000")] * 3
    classes = {"s": {1: "cat", 2: "dog", 3: "panda"}}
    result = summarize({"s": sequence_of(*frames)}, "youtube-vos", classes, seen={"cat", "dog"})
    assert result.splits == {"J_seen": 1, "F_seen": 1, "J_unseen": 0, "F_unseen": 0, "G": 0.5}
    assert result.J == pytest.approx(2 / 3)
    assert [o.class_name for o in result.results] == ["cat", "dog", "panda"]
    assert result.to_dict()["G"] == 0.5
    assert summarize({"s": sequence_of(*frames)}, "youtube-vos").splits == {}
    unknown = summarize({"s": sequence_of(*frames)}, "youtube-vos", {"s": {1: "cat"}}, seen={"cat"})
    assert "objects 2, 3 of unknown class" in unknown.problems[-1].message
    with pytest.raises(HS2SError, match="give both"):
        summarize({}, "youtube-vos", seen={"cat"})


def test_nothing_to_score():
    empty = summarize({"s": sequence_of(*[("10000000", "10000000")] * 2)})
    assert np.isnan(empty.J)
    assert empty.to_dict()["J"] is None
    assert "without a frame that counts" in empty.problems[0].message
    assert (
        summarize({"s": sequence_of(("0000", "0000"))})
        .problems[0]
        .message.startswith("no object in the truth")
    )


def test_unknown_protocol():
    with pytest.raises(HS2SError, match="did you mean 'davis2017'"):
        get_protocol("davis17")


@pytest.mark.parametrize(
    ("protocol", "frames", "j", "prompts"),
    [
        ("davis2016", [1, 2, 4], 3 / 4, 1),
        ("davis2017", [1, 2, 4], 1 / 2, 1),
        ("youtube-vos", [1, 2, 4, 5], 1 / 2, 1),
        ("all", [0, 1, 2, 3, 4, 5], (4 / 2 + 2) / 6, 2),
    ],
)
def test_prompts_are_no_results(protocol, frames, j, prompts):
    """The mask of object 1 is given on frames 0 and 3, else half right; that of object 2 is right
    throughout."""
    truth, half = (
        np.tile([[int(c) for c in text]], (4, 1)).astype(np.uint8) for text in ("11000022", "10000022")
    )
    scorer = SequenceScorer(merge_objects=PROTOCOLS[protocol].merge_objects)
    for number in range(6):
        given = number in (0, 3)
        scorer.update(truth, truth if given else half, prompted={1} if given else ())
    sequence = scorer.finish()
    first, *others = summarize({"s": sequence}, protocol).results
    assert (first.frames, first.J.mean) == (frames, pytest.approx(j))
    assert counted_prompts(sequence.objects[1], PROTOCOLS[protocol]) == prompts
    assert all(3 in other.frames for other in others)


def test_nothing_but_prompts():
    scorer = SequenceScorer()
    for _ in range(4):
        scorer.update(np.eye(4, dtype=np.uint8), np.eye(4, dtype=np.uint8), prompted={1})
    result = summarize({"s": scorer.finish()})
    assert not result.results
    assert [problem.kind for problem in result.problems] == ["prompts"]
    assert (
        "object 1 with no frame that counts but those whose mask was a prompt" in result.problems[0].message
    )
