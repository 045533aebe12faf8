from __future__ import annotations

import fiftyone as fo
import pytest

from fiftyone_hs2s import evaluate_propagation, find_failures
from fiftyone_hs2s.dataset.objects import Identity, label_map_to_detections
from fiftyone_hs2s.masks import list_sequences, read_label_map
from fiftyone_hs2s.metrics import evaluate_folders

NUM_FRAMES, LAG = 12, 3


@pytest.fixture(scope="module")
def folders(shared_data, tmp_path_factory):
    """Real masks of seven girls, and the same masks three frames late as prediction."""
    root = tmp_path_factory.mktemp("real")
    (source,) = list_sequences(
        shared_data / "data" / "video" / "DAVIS2017-schoolgirls" / "Annotations"
    ).values()
    files = sorted(source.glob("*.png"))[:NUM_FRAMES]
    for side, chosen in (
        ("truth", files),
        ("prediction", [files[max(0, k - LAG)] for k in range(len(files))]),
    ):
        (root / side / "girls").mkdir(parents=True)
        for path, original in zip(files, chosen, strict=True):
            (root / side / "girls" / path.name).write_bytes(original.read_bytes())
    return root / "truth", root / "prediction"


@pytest.fixture
def girls(folders):
    dataset = fo.Dataset()
    sides = [[read_label_map(path) for _, path in sorted(_files(folder / "girls"))] for folder in folders]
    height, width = sides[0][0].shape
    sample = fo.Sample(filepath="girls.mp4")
    sample.metadata = fo.VideoMetadata(frame_width=width, frame_height=height, frame_rate=24)
    identities = {i: Identity("girl", i) for i in range(1, 8)}
    for number, (true, predicted) in enumerate(zip(*sides, strict=True), start=1):
        labels = {"gt": true, "pred": predicted}
        sample.frames[number] = fo.Frame(
            **{f: label_map_to_detections(m, identities) for f, m in labels.items()}
        )
    dataset.add_sample(sample)
    yield dataset
    dataset.delete()


def _files(folder):
    return [(path.name, path) for path in folder.glob("*.png")]


@pytest.mark.parametrize("protocol", ["davis2017", "davis2016", "youtube-vos"])
def test_equal_to_the_evaluation_of_folders(girls, folders, protocol):
    expected = evaluate_folders(folders[1], folders[0], protocol)
    results = evaluate_propagation(girls, "pred", "gt", None, protocol)
    for row, found in zip(results.objects, expected.results, strict=True):
        for name in ("J", "F"):
            statistics = getattr(found, name)
            assert row[name] == pytest.approx(statistics.mean, abs=1e-12)
            assert row[f"{name}_decay"] == pytest.approx(statistics.decay, abs=1e-12)
    assert pytest.approx((expected.J, expected.F), abs=1e-12) == (results.J, results.F)


def test_failures_of_late_masks(girls):
    report = find_failures(girls, "pred", "gt")
    assert not report.problems
    assert sorted({row["kind"] for row in report.events}) == ["drift", "identity switch"]
